"""Words of a command line (and a YAML file) to a resolved config, with every fault of theirs."""

from __future__ import annotations

import argparse
import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from suretune.config import Option, Resolved, groups, options
from suretune.types import FlagFacts, Text
from suretune.words import say

TRAIN = ("model", "data", "lora", "schedule", "engine", "proof", "run")
ANSWER = ("model", "answer")
COMMA = ("target_modules", "ignore", "ignore_fields")  # lists that other tools write with commas
BARE = {True: "true", False: "\0"}  # what a flag without a value means: on, or a mistake
HELP_LANG = Text("language of messages: en or zh", "提示信息的语言:en 或 zh")
HELP_JSON = Text("print the result as JSON", "以 JSON 输出结果")
HELP_CONFIG = Text("a YAML file of options; flags win over it", "YAML 配置文件;命令行参数优先")


UNASKED = re.compile(r"^(\w+): .*  # (?:default|auto: .*)$", re.MULTILINE)
"""Lines of a run's config.yaml that nobody asked for: they are chosen anew."""


@dataclass(frozen=True, slots=True)
class Verb:
    """A command: which options it takes, and what stands behind it without a flag."""

    name: str
    help: Text
    groups: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()  # single options of other groups
    positional: str = ""  # name of the one word it needs
    several: bool = False  # or of the words
    aliases: tuple[str, ...] = ()

    def options(self) -> dict[str, Option]:
        return {
            name: spec
            for name, spec in options().items()
            if spec.group in self.groups or name in self.extra
        }


@dataclass(frozen=True, slots=True)
class Command:
    """A parsed command line."""

    verb: Verb
    resolved: Resolved
    word: str = ""
    words: tuple[str, ...] = ()  # of a verb that takes several
    json: bool = False
    plain: Mapping[str, Any] = field(default_factory=dict)  # options of one verb alone
    faults: tuple[FlagFacts, ...] = ()


def parse(verb: Verb, words: Sequence[str], own: Mapping[str, Text]) -> Command:
    """Never raises for what a user typed: all that is wrong is in `faults`.

    `own`: plain options of this verb that are no config (init's --name, say).
    """
    words, faults = _without_comment(words)
    known = verb.options()
    parser = make_parser(verb, own)
    spelled, strangers = parser.parse_known_args([_snake(word) for word in words])
    faults += _strangers(strangers, [*_names(known), *own], verb)
    given = {name: value for name, value in vars(spelled).items() if value is not None}
    resolved = Resolved.default()
    several = tuple(given.pop("words", ()))
    in_place = given.get("word") if verb.groups else None  # `suretune sweep CONFIG.yaml`
    if file := given.pop("config", in_place):
        resolved, wrong = read_file(file, known)
        faults += wrong
    for name, raw in given.items():
        if name in known:
            resolved, wrong = _set(resolved, known[name], raw, "flag")
            faults += wrong
    return Command(
        verb,
        resolved,
        given.get("word", ""),
        several,
        bool(given.get("json")),
        {name: given[name] for name in own if name in given},
        tuple(faults),
    )


def make_parser(verb: Verb, own: Mapping[str, Text]) -> argparse.ArgumentParser:
    """The argparse parser of a verb; it only splits words, `Option.parse` reads them."""
    parser = argparse.ArgumentParser(
        prog=f"suretune {verb.name}",
        usage=f"suretune {verb.name} {verb.positional} [--option value ...]",
        description=say(verb.help),
        allow_abbrev=False,
    )
    if verb.several:
        parser.add_argument("words", metavar=verb.positional, nargs="*")
    elif verb.positional:
        parser.add_argument("word", metavar=verb.positional, nargs="?")
    for name, about in own.items():
        parser.add_argument(f"--{name}", nargs="+", help=say(about))
    chosen = verb.options()
    for group, cls in groups():
        mine = [spec for spec in chosen.values() if spec.group == group]
        if mine:
            section = parser.add_argument_group(cls.__doc__)
            for spec in mine:
                _add(section, spec)
    if verb.groups:
        parser.add_argument("--config", help=say(HELP_CONFIG))
    if "lang" not in own:
        parser.add_argument("--lang", help=say(HELP_LANG))
    parser.add_argument("--json", action="store_true", default=None, help=say(HELP_JSON))
    return parser


def _add(section: argparse._ArgumentGroup, spec: Option) -> None:
    names = [f"--{name}" for name in (spec.name, *spec.aliases)]
    default = "auto" if spec.default is None else _shown(spec.default)
    about = f"{say(spec.help)} [{default}]" if default else say(spec.help)
    if spec.choices:
        about = f"{about} ({' | '.join(spec.choices)})"
    shape = "*" if spec.many else "?"
    metavar = {bool: "true|false", str: "TEXT", int: "N", float: "X"}[spec.kind]
    section.add_argument(
        *names,
        dest=spec.name,
        nargs=shape,
        const=BARE[spec.kind is bool],
        metavar=metavar,
        action=_Once,
        help=about.replace("%", "%%"),
    )
    if spec.kind is bool:
        no = [f"--no_{name}" for name in (spec.name, *spec.aliases)]
        section.add_argument(
            *no, dest=spec.name, action="store_const", const="false", help=argparse.SUPPRESS
        )


class _Once(argparse.Action):
    """Keeps what was typed; a list given twice is one longer list."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        before = getattr(namespace, self.dest)
        if isinstance(values, list) and isinstance(before, list):
            values = [*before, *values]
        setattr(namespace, self.dest, values)


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _snake(word: str) -> str:
    """`--learning-rate=1e-4` is `--learning_rate=1e-4`."""
    if not word.startswith("--"):
        return word
    name, equals, value = word.partition("=")
    return f"--{name[2:].replace('-', '_')}{equals}{value}"


def _without_comment(words: Sequence[str]) -> tuple[list[str], list[FlagFacts]]:
    """A comment behind a backslash reaches us as words: what follows was never meant for us."""
    for index, word in enumerate(words):
        if word.strip().startswith("#"):
            stray = " ".join(words[index:]).strip()
            return list(words[:index]), [FlagFacts("stray-argument", "", stray)]
    return list(words), []


def _names(known: Mapping[str, Option]) -> list[str]:
    return [name for spec in known.values() for name in (spec.name, *spec.aliases)]


def _strangers(words: Sequence[str], names: Sequence[str], verb: Verb) -> list[FlagFacts]:
    """Unknown flags with the nearest real one; words that belong to none."""
    faults, behind_flag = [], False
    for word in words:
        if word.startswith("--"):
            behind_flag = True
            flag, _, value = word.partition("=")
            close = difflib.get_close_matches(flag[2:], names, n=1, cutoff=0.5)
            nearest = f"--{close[0]}" if close else f"suretune {verb.name} --help"
            faults.append(FlagFacts("unknown-flag", flag, value, nearest))
        elif not behind_flag:
            faults.append(FlagFacts("stray-argument", "", word))
    return faults


def read_file(file: str, known: Mapping[str, Option]) -> tuple[Resolved, list[FlagFacts]]:
    """Options from YAML (safe_load: plain values only)."""
    resolved = Resolved.default()
    try:
        text = Path(file).expanduser().read_text(encoding="utf-8")
        values = yaml.safe_load(text)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        return resolved, [_bad_file(file, str(error).replace("\n", " "))]
    if not isinstance(values, dict):
        return resolved, [_bad_file(file, f"{type(values).__name__}, not `name: value` lines")]
    spelled = {name: spec for spec in known.values() for name in (spec.name, *spec.aliases)}
    faults: list[FlagFacts] = []
    unasked = set(UNASKED.findall(text))
    for key, value in values.items():
        if key in unasked:
            continue
        name = str(key).replace("-", "_")
        if name not in spelled:
            elsewhere = name in options()  # another verb's: a run's config.yaml has them all
            close = difflib.get_close_matches(name, spelled, n=1)
            if not elsewhere:
                nearest = close[0] if close else ""
                faults.append(FlagFacts("unknown-flag", f"{file}: {key}", "", nearest))
            continue
        if value is not None:  # null: as if the line were not there
            resolved, wrong = _set(resolved, spelled[name], _as_words(value), "file")
            faults += wrong
    return resolved, faults


def _as_words(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [str(item) for item in value]
    return str(value).lower() if isinstance(value, bool) else str(value)


def _bad_file(file: str, found: str) -> FlagFacts:
    return FlagFacts("bad-config-file", "--config", file, hint=Text(found, found))


def _set(
    resolved: Resolved, spec: Option, raw: Any, origin: str
) -> tuple[Resolved, list[FlagFacts]]:
    """The config with this option set, or the fault in its value."""
    words = raw if isinstance(raw, list) else [raw]
    if spec.name in COMMA:
        words = [part for word in words for part in word.split(",") if part]
    if raw == BARE[False] or raw == []:
        return resolved, [_bad_value(spec, "", Text("A value is missing.", "缺少取值。"))]
    try:
        if spec.many:
            value: Any = tuple(spec.parse(word) for word in words)
        else:
            value = spec.parse(words[0])
    except (ValueError, OverflowError) as error:
        return resolved, [_bad_value(spec, " ".join(words), accepted(spec, str(error)))]
    if value is None:
        return resolved, []
    return resolved.with_values(origin, **{spec.name: value}), []


def accepted(spec: Option, error: str) -> Text:
    """What an option takes, from what its parser said."""
    if spec.kind is bool or spec.choices or error.startswith(">"):
        return Text(f"It takes {error}.", f"它接受 {error}。")
    if spec.kind is int:
        return Text("It takes a whole number.", "它接受整数。")
    return Text("It takes a number.", "它接受数字。")


def _bad_value(spec: Option, value: str, hint: Text) -> FlagFacts:
    return FlagFacts("bad-value", f"--{spec.name}", value, hint=hint)
