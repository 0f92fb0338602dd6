"""Words of a command line (and a YAML file) to a resolved config, with every fault of theirs."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from suretune.cli.asmeant import as_meant
from suretune.cli.configfile import read_file
from suretune.cli.help import Parser, usual
from suretune.cli.typed_words import KINDS, Meant
from suretune.config import Option, Resolved, groups, options
from suretune.facts import FlagFacts
from suretune.types import Text
from suretune.values import MISSING, bad_value, nearest_of, set_value, twice
from suretune.words import known_language, say

if TYPE_CHECKING:
    from suretune.record.journal import Journal

TRAIN = ("model", "data", "lora", "full", "schedule", "engine", "proof", "run")
ANSWER = ("model", "answer")
BARE = {True: "true", False: "\0"}  # what a flag without a value means: on, or a mistake
DASHES = "\0--"  # a value that is `--`: argparse takes that out, stuck to its flag or not
_NEGATIVE = re.compile(r"-[0-9.][0-9._]*(?:[eE][+-]?[0-9]+)?|-(?:inf|nan)")
NEVER = ("use_loss_scale_sampler",)  # typed it is answered; to be shown, it would have to exist
PIECES = ("search",)  # of a verb's own options: those that may be given in pieces
SWITCHES = ("public", "unverified", "words_only")  # and those that are on where they stand alone
TEXTS = ("question", "html")  # and those whose words end where a run is named
HELP_LANG = Text("language of messages: en or zh", "提示信息的语言：en 或 zh")
TWO_LANGUAGES = Text("It takes en or zh.", "它接受 en（英文）或 zh（中文）。")
NO_VALUE = Text("It takes no value.", "它后面不带取值。")
HELP_JSON = Text("print the result as JSON", "以 JSON 输出结果")
HELP_PIECES = Text("may be given again", "可以多次给出")
HELP_CONFIG = Text("a YAML file of options; flags win over it", "YAML 配置文件；命令行参数优先")


@dataclass(frozen=True, slots=True)
class Verb:
    """A command: which options it takes, what stands behind it without a flag, what it does."""

    name: str
    help: Text
    groups: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()  # single options of other groups
    crew: bool = False  # several processes of it, as torchrun starts them, are one
    _: KW_ONLY
    do: Callable[[Command, Journal], int]  # returns the exit status
    place: int  # in the help: smaller numbers stand first
    own: Mapping[str, Text] = field(default_factory=dict)  # its options that are no config
    positional: str = ""  # name of the one word it needs
    several: bool = False  # or of the words
    aliases: tuple[str, ...] = ()
    torch: bool = False  # it needs it, and what goes with it, whatever was asked
    gathers: bool = False  # faults of the command line are told with what its rows show
    names_files: bool = True  # False: no word of it is a file of a run
    says: Mapping[str, Text] = field(default_factory=dict)  # help of options, in other words
    idle: Mapping[str, Text] = field(default_factory=dict)  # options that do nothing in it, and why
    apart: Callable[[Sequence[str]], tuple[list[str], str]] | None = None  # own words from a text

    def options(self) -> dict[str, Option]:
        """The options that this verb takes, by name."""
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
    unread: bool = False  # its file of options says nothing that could be used
    environment: tuple[str, ...] = ()  # `NAME=value` words before the verb
    file: str = ""  # its file of options

    def wrong(self, flag: str) -> bool:
        """Whether its value is told to be none: it is not missing as well."""
        spec = options().get(flag.removeprefix("--"))
        called = {flag, *(f"--{name}" for name in spec.aliases)} if spec else {flag}
        told = ("bad-value", "not-here")
        return any(one.problem in told and one.flag in called for one in self.faults)


def parse(verb: Verb, words: Sequence[str], own: Mapping[str, Text]) -> Command:
    """Never raises for what a user typed: all that is wrong is in `faults`.

    `own`: plain options of this verb that are no config (init's --name, say).
    """
    known = verb.options()
    one = int(bool(verb.positional and not verb.groups))  # a configuration is no such word
    asked = as_meant(
        ["--help" if word == "-h" else word for word in words],
        _spelled(verb, own),
        words_first=bool(verb.positional),
        words_behind=sys.maxsize if verb.several else one,
        texts="QUESTION" in verb.positional,
    )
    faults = [*asked.faults]
    words = _ours(asked, verb, own, faults)
    faults = [_with_verb(fault, verb) for fault in faults]
    parser = make_parser(verb, own)
    typed, strangers, wrong = _split(parser, _signed([_snake(word) for word in words]))
    faults += wrong
    faults += _strangers(strangers, [*_names(known), *own])
    faults += [_twice(known, *again) for again in typed.twice]
    given = {n: value for n, value in vars(typed).items() if value is not None and n != "twice"}
    resolved, unread = Resolved.default(), False
    several = tuple(given.pop("words", ()))
    in_place = given.get("word") if verb.groups else None  # `suretune sweep CONFIG.yaml`
    file = given.pop("config", in_place)
    if "config" in vars(typed) and file is not None and not file.strip():
        faults.append(FlagFacts("bad-value", "--config", file, hint=MISSING))
    elif file:
        read, wrong = read_file(file, known)
        resolved, unread = read or resolved, read is None
        faults += wrong
    typed_as = _aliases(known, words)
    for name, raw in given.items():
        if name in known:
            resolved, wrong = _set(resolved, known[name], raw)
            faults += [replace(fault, flag=typed_as.get(name, fault.flag)) for fault in wrong]
    wish = given.get("lang")
    if "lang" not in own and isinstance(wish, str) and known_language(wish) is None:
        faults.append(FlagFacts("bad-value", "--lang", wish, hint=TWO_LANGUAGES))
    if not resolved.config.run.strict:
        faults = [_let_go(fault) for fault in faults]
    return Command(
        verb=verb,
        resolved=resolved,
        word=given.get("word", ""),
        words=several,
        json=bool(given.get("json")),
        plain={name: given[name] for name in own if name in given},
        faults=tuple(faults),
        unread=unread,
        file=file or "",
    )


def _let_go(fault: FlagFacts) -> FlagFacts:
    """A flag that no tool ever had changes nothing where it is left out."""
    never = fault.problem == "flag-never-existed"
    return replace(fault, problem="left-out") if never else fault


def make_parser(verb: Verb, own: Mapping[str, Text]) -> argparse.ArgumentParser:
    """The argparse parser of a verb; it only splits words, `Option.parse` reads them."""
    parser = Parser(
        prog=f"suretune {verb.name}",
        description=say(verb.help),
        allow_abbrev=False,
        exit_on_error=False,
    )
    if verb.several:
        parser.add_argument("words", metavar=verb.positional, nargs="*")
    elif verb.positional:
        parser.add_argument("word", metavar=verb.positional, nargs="?")
    for name, about in own.items():
        # A list given again is one longer list; a text given again is one more text: its words
        # stay together until whoever knows what they may be takes them apart.
        again = "extend" if name in PIECES else "append" if name in TEXTS else _Once
        shape: dict[str, Any] = {"nargs": "+", "type": _value}
        if name in SWITCHES:
            shape |= {"nargs": "?", "const": BARE[True], "metavar": "true|false"}
        parser.add_argument(f"--{name}", action=again, help=say(about), **shape)
    chosen = verb.options()
    for group, cls in groups():
        mine = [spec for spec in chosen.values() if spec.group == group]
        if mine:
            section = parser.add_argument_group(cls.__doc__)
            for spec in mine:
                _add(section, spec, verb)
    if verb.groups:
        parser.add_argument("--config", action=_Once, help=say(HELP_CONFIG))
    if "lang" not in own:
        parser.add_argument("--lang", help=say(HELP_LANG))
    parser.add_argument("--json", action="store_true", default=None, help=say(HELP_JSON))
    return parser


def _add(section: argparse._ArgumentGroup, spec: Option, verb: Verb) -> None:
    names = [f"--{name}" for name in (spec.name, *spec.aliases)]
    about = say(verb.says[spec.name]) if spec.name in verb.says else usual(spec)
    if spec.choices:
        told = " | ".join(spec.choices)
        about += say(Text(f" ({told})", f"（{told}）"))
    if spec.many and not spec.once:
        about += say(Text(f" ({HELP_PIECES.en})", f"（{HELP_PIECES.zh}）"))
    shape = "*" if spec.many else "?"
    metavar = {bool: "true|false", str: "TEXT", int: "N", float: "X"}[spec.kind]
    longer = spec.many and not spec.once
    section.add_argument(
        *names,
        dest=spec.name,
        nargs=shape,
        type=_value,
        const=None if longer else BARE[spec.kind is bool],
        metavar=metavar,
        action="extend" if longer else _Once,
        help=argparse.SUPPRESS if spec.name in (*NEVER, *verb.idle) else about.replace("%", "%%"),
    )
    if spec.kind is bool:
        no = [f"--no_{name}" for name in (spec.name, *spec.aliases)]
        section.add_argument(
            *no,
            dest=spec.name,
            action=_Once,
            nargs=0,
            const="false",
            help=argparse.SUPPRESS,
        )


class _Typed(argparse.Namespace):
    """What was typed, and what was typed twice: (option, the value before, the one after)."""

    def __init__(self) -> None:
        super().__init__()
        self.twice: list[tuple[str, Any, Any]] = []


class _Once(argparse.Action):
    """Keeps what was typed, and tells if there was something before: no value wins in silence."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        values = self.const if self.nargs == 0 else values
        before = getattr(namespace, self.dest)
        if before is not None:
            namespace.twice.append((self.dest, before, values))
        setattr(namespace, self.dest, values)


def _split(
    parser: argparse.ArgumentParser, words: Sequence[str]
) -> tuple[_Typed, list[str], list[FlagFacts]]:
    """(what was typed, words that belong to no flag, flags that have no value or one too many).

    argparse ends at the first of those, in English: that flag is told and taken out, and the rest
    is read again.
    """
    left = [re.sub(r"^(--\w+=)--$", rf"\1{DASHES}", word) for word in words]
    faults: list[FlagFacts] = []
    while True:
        typed = _Typed()
        try:
            strangers = parser.parse_known_args(left, typed)[1]
            return typed, [word.replace(DASHES, "--") for word in strangers], faults
        except argparse.ArgumentError as error:
            names = (error.argument_name or "").split("/")
            stuck = "explicit" in error.message
            at = next((i for i, word in enumerate(left) if _is_it(left, i, names, stuck)), None)
            if at is None:  # it says of no word that it is wrong
                faults.append(FlagFacts("bad-value", " ".join(left), hint=MISSING))
                return _Typed(), [], faults
            flag, _, value = left.pop(at).partition("=")
            hint = NO_VALUE if stuck else MISSING
            faults.append(FlagFacts("bad-value", flag, _value(value), hint=hint))


def _value(word: str) -> str:
    """A value as it was typed."""
    return "--" if word == DASHES else word


def _is_it(words: Sequence[str], at: int, names: Sequence[str], stuck: bool) -> bool:
    """Whether this word is the flag of one of these names with a value stuck to it, or none."""
    flag, equals, _ = words[at].partition("=")
    if flag not in names:
        return False
    alone = at + 1 == len(words) or words[at + 1].startswith("-")
    return bool(equals) if stuck else alone and not equals


def _twice(known: Mapping[str, Option], name: str, before: Any, after: Any) -> FlagFacts:
    first, second = (
        " ".join(x if isinstance(x, list) else [x]).replace(BARE[False], "")
        for x in (before, after)
    )
    if name in known:
        return twice(known[name], first, second, flag=True)
    return FlagFacts("given-twice", f"--{name}", first, second, Text("", ""))


def _snake(word: str) -> str:
    """`--learning-rate=1e-4` is `--learning_rate=1e-4`."""
    if not word.startswith("--"):
        return word
    name, equals, value = word.partition("=")
    return f"--{name[2:].replace('-', '_')}{equals}{value}"


def _signed(words: Sequence[str]) -> list[str]:
    """`--learning_rate -1e-4` has a value, and not two flags."""
    made: list[str] = []
    for word in words:
        before = made[-1] if made else ""
        if _NEGATIVE.fullmatch(word) and before.startswith("--") and "=" not in before:
            made[-1] = f"{before}={word}"
        else:
            made.append(word)
    return made


def _spelled(verb: Verb, own: Mapping[str, Text]) -> dict[str, Option | None]:
    """Everything that a flag of this verb may be called."""
    spelled: dict[str, Option | None] = dict.fromkeys((*own, "lang", "json", "help"))
    if verb.groups:
        spelled["config"] = None
    for spec in verb.options().values():
        spelled |= dict.fromkeys((spec.name, *spec.aliases), spec)
        if spec.kind is bool:
            spelled |= dict.fromkeys(f"no_{name}" for name in (spec.name, *spec.aliases))
    return spelled


def _ours(
    asked: Meant,
    verb: Verb,
    own: Mapping[str, Text],
    faults: list[FlagFacts],
) -> list[str]:
    """The words, with the flags of other tools put as ours or taken out; what is said of those."""
    spelled = _spelled(verb, own)
    made: list[str] = []
    for group in asked.groups:
        stuck = (group.flag.partition("=")[2],) if "=" in group.flag else ()
        meant = None
        if group.flag and group.name not in spelled and verb.groups:
            from suretune.importing.single import known_elsewhere

            takes, values = verb.options(), (*stuck, *group.values)
            meant = known_elsewhere(
                group.name,
                values,
                takes,
                serving=verb.name == "serve",
            )
        if meant is None:
            made += group.words
        elif isinstance(meant, FlagFacts):
            faults.append(meant)
        else:
            made += [f"--{meant[0]}", *meant[1]]
            faults.append(
                FlagFacts(
                    "words-mended",
                    f"--{group.name}",
                    f"--{group.name}",
                    f"--{meant[0]}",
                    KINDS["renamed"],
                )
            )
    return made


def _with_verb(fault: FlagFacts, verb: Verb) -> FlagFacts:
    """A command that was meant begins with the verb."""
    if not fault.command:
        return fault
    return replace(fault, command=f"suretune {verb.name} {fault.command}")


def _aliases(known: Mapping[str, Option], words: Sequence[str]) -> dict[str, str]:
    """What an option was called where it was called by another of its names: a fault is told of
    the flag that stands in the command."""
    called = {alias: spec.name for spec in known.values() for alias in spec.aliases}
    flags = [_snake(word).partition("=")[0] for word in words if word.startswith("--")]
    return {called[flag[2:]]: flag for flag in flags if flag[2:] in called}


def _names(known: Mapping[str, Option]) -> list[str]:
    return [name for spec in known.values() for name in (spec.name, *spec.aliases)]


def _strangers(words: Sequence[str], names: Sequence[str]) -> list[FlagFacts]:
    """Unknown flags with the nearest real one; words that belong to none."""
    faults: list[FlagFacts] = []
    behind_flag = False
    for word in words:
        if word == "--":  # nothing behind it was read as a flag
            return [*faults, FlagFacts("unknown-flag", word)]
        if word.startswith("--"):
            behind_flag = True
            flag, _, value = word.partition("=")
            near = nearest_of(flag[2:], names)
            known = options().get(flag[2:])
            trains = known is not None and known.group in TRAIN
            fault = FlagFacts("unknown-flag", flag, value, near and f"--{near}")
            faults.append(replace(fault, command="suretune sft --help" if trains else ""))
        elif not behind_flag:
            faults.append(FlagFacts("stray-argument", "", word))
    return faults


def _set(resolved: Resolved, spec: Option, raw: Any) -> tuple[Resolved, list[FlagFacts]]:
    """The config with this flag set, or the fault in its value."""
    words = raw if isinstance(raw, list) else [raw]
    if raw == BARE[False]:
        return resolved, [bad_value(spec, "", MISSING)]
    return set_value(resolved, spec, words, "flag")
