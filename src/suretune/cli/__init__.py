"""Floor 9: words in, words out. Results on stdout, progress on stderr, an exit status that tells.

0 ok · 1 internal error · 2 usage · 3 data refused · 4 environment refused · 5 stopped by a guard ·
6 trained but not verified · 7 hub or network · 8 forgetting not measured · 129/130/143 stopped by
a signal, after a checkpoint.
"""

from __future__ import annotations

import io
import os
import sys
import tempfile
import traceback
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TextIO

from suretune import __version__, labels, spelled, words
from suretune.because import FULL
from suretune.cli.asmeant import says_json
from suretune.cli.front import Front, front
from suretune.cli.out import tell, tell_json
from suretune.cli.parse import Command, Verb, make_parser, parse
from suretune.cli.verbs import VERBS, run_verb
from suretune.facts import Finding, FlagFacts
from suretune.prepare.names import odd_names
from suretune.record.journal import ENVIRONMENT, INTERNAL, OK, USAGE, Journal, Stopped
from suretune.train.parting import let_go_at_end
from suretune.train.place import here
from suretune.typed import command as shown_command
from suretune.types import Text
from suretune.words import say

ABOUT = Text(
    "Fine-tune a language model in seconds, and prove that it worked.",
    "几秒钟微调一个语言模型，并验证它真的有效。",
)
CUT = Text(
    "The disk that the output goes to is full: what is said there is cut off.",
    "输出所在的磁盘已满：那里的内容不完整。",
)
LONGEST_WISH = 40  # characters
PASTED = Text(
    "a command of ms-swift, pasted as it is; `suretune llamafactory-cli ...` is read, too",
    "照原样粘贴的 ms-swift 命令；`suretune llamafactory-cli ...` 也可以",
)
MORE = Text("  suretune VERB --help", "  各命令的参数：suretune 命令 --help")


def main(arguments: Sequence[str] | None = None) -> int:
    """The `suretune` command; returns its exit status."""
    _open_what_is_closed()
    try:
        return _main(arguments)
    except BrokenPipeError:  # `| head` has seen enough, whatever was being said
        _lead_nowhere(sys.stdout, sys.stderr)
        return OK
    except OSError as error:  # `> FILE` on a full disk: neither can a finding be said there
        if error.errno not in FULL:
            raise
        _lead_nowhere(sys.stdout)
        tell(say(CUT), err=True)
        return ENVIRONMENT


def _lead_nowhere(*streams: TextIO) -> None:
    """Nothing more goes there, nor is there anything to flush at the end."""
    for stream in streams:
        if isinstance(stream, io.TextIOWrapper):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _open_what_is_closed() -> None:
    """Started with a stream closed (`<&-`, `>&-`), Python has None in its place: as /dev/null then.
    In this order each gets its own number, and no file of ours is taken for it by a child."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            nowhere = os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, os.fdopen(nowhere, mode, encoding="utf-8"))


def _main(arguments: Sequence[str] | None) -> int:
    typed = list(sys.argv[1:] if arguments is None else arguments)
    wish = _language(typed)
    words.choose(wish)
    spelled.let_all_be_said()
    _in_english_where_chinese_cannot_be_said()
    verb, rest, before = _verb(typed)
    if verb is None:
        _name_the_languages("--lang" if wish else words.VARIABLE, wish or words.wish())
        return _top(rest, before)
    if verb.crew:
        if not here().leads:
            from suretune.cli.job import follow

            return follow()
        let_go_at_end()
    text = ""
    if verb.apart:  # what was pasted is not ours to parse
        rest, text = verb.apart(rest)
    command = parse(verb, rest, verb.own)
    command = replace(command, word=text) if verb.apart else command
    environment = tuple(before.environment)
    faults = (*before.faults, *command.faults)
    if command.resolved.config.run.strict:
        from suretune.preflight.leave import strictly

        faults = strictly(
            faults,
            verb.name,
            command.resolved,
            environment,
        )
    command = replace(command, faults=faults, environment=environment)
    for word in before.environment:  # as a shell would have set it
        name, _, value = word.partition("=")
        os.environ[name] = value
    if not wish:  # a wrong --lang is a finding
        _name_the_languages(words.VARIABLE, words.wish())
    try:
        if verb.names_files:
            journal = Journal()
            journal.look_at_all(odd_names(rest, command.resolved))
            journal.settle()
        return run_verb(command)
    except Stopped as stopped:
        return _stopped(stopped, command)
    except BrokenPipeError:
        raise
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        from suretune.preflight.amiss import facts_of

        found = facts_of(error)
        if found is not None:
            return _stopped(Journal().stop(found), command)
        return _internal(typed)


def _in_english_where_chinese_cannot_be_said() -> None:
    """Escapes instead of every character would be no language at all."""
    encoding = sys.stdout.encoding
    if words.language() == "zh" and not spelled.sayable("中", encoding):
        words.choose("en")
        tell(
            f"{encoding} has no Chinese characters, so this is in English;"
            " `export PYTHONIOENCODING=utf-8` for Chinese.",
            err=True,
        )


def _name_the_languages(name: str, wish: str) -> None:
    """Say once that a wish for a third language is not met, and in which one it goes on."""
    if wish.strip() and words.known_language(wish) is None:
        shown = wish if len(wish) <= LONGEST_WISH else f"{wish[:LONGEST_WISH]}…"
        told = Text(
            f"`{name}` is `{shown}`, which is not known: `en` or `zh`. This is in English.",
            f"`{name}` 的值 `{shown}` 不认识，可以写 `zh` 或 `en`。这里用中文。",
        )
        tell(say(told), err=True)


def _language(typed: Sequence[str]) -> str | None:
    """`--lang` counts from the first word on, so that every message obeys it."""
    for index, word in enumerate(typed):
        if word.startswith("--lang="):
            return word.partition("=")[2]
        if word == "--lang" and index + 1 < len(typed):
            return typed[index + 1] if "," not in typed[index + 1] else None
    return None


def _verb(typed: Sequence[str]) -> tuple[Verb | None, list[str], Front]:
    """The verb, what follows, and what stood before: `swift sft ...` pasted whole works too."""
    rest = list(typed)
    if rest and rest[0] == "--lang":
        rest = rest[2:]
    names = {name: verb for verb in VERBS for name in (verb.name, *verb.aliases)}
    if not rest or rest[0].startswith("-"):
        return None, rest, Front()
    before = front(rest, {name: set(verb.options()) for name, verb in names.items()})
    return names.get(before.verb), before.rest, before


def _top(typed: Sequence[str], before: Front) -> int:
    if typed and typed[0] in ("--version", "-V"):
        tell(f"suretune {__version__}")
        return OK
    asked = (not typed and not before.faults) or (
        bool(typed) and typed[0] in ("--help", "-h", "help")
    )
    if not asked:
        return _no_verb(typed, before)
    from suretune import show
    from suretune.cli.help import entry

    width = show.columns()
    told = [*show.lines(say(ABOUT), width), ""]
    for verb in VERBS:
        told += entry(f"suretune {verb.name}", say(verb.help), width, 23)
    told += entry("suretune swift ...", say(PASTED), width, 23)
    tell("\n".join([*told, "", say(MORE)]), err=not asked)
    return OK


def _no_verb(typed: Sequence[str], before: Front) -> int:
    """No word of it is a verb: what was meant, or what there is in its place."""
    from difflib import get_close_matches

    from suretune import show

    journal = Journal(verb="VERB")
    journal.look_at_all(before.faults)
    if not journal.holds("not-here"):
        names = [name for verb in VERBS for name in (verb.name, *verb.aliases)]
        first = typed[0] if typed else ""
        close = get_close_matches(first, names, n=1)
        nearest = f"suretune {close[0]}" if close else ""
        if first.startswith("--"):  # flags alone: the verb was left behind
            nearest = shown_command("suretune", "sft", *typed)
        journal.look(FlagFacts("unknown-flag", first, nearest=nearest))
    journal.gather()
    if says_json(typed):
        _tell_findings(USAGE, journal.findings)
    else:
        show.findings(journal.findings)
    return USAGE


def _stopped(stopped: Stopped, command: Command) -> int:
    if command.json:
        _tell_findings(stopped.status, stopped.findings)
    else:
        from suretune import show

        show.findings(stopped.findings)
        if command.verb.name == "check" or command.resolved.config.run.dry_run:
            from suretune.cli.concluded import would_not

            would_not(stopped, command)
        tell(labels.status(stopped.status), err=True)
    return stopped.status


def _tell_findings(status: int, findings: Sequence[Finding]) -> None:
    from dataclasses import asdict

    tell_json({"status": status, "findings": [asdict(found) for found in findings]})


def _internal(typed: Sequence[str]) -> int:
    """A mistake of ours: the details to a file, one sentence to the user."""
    path = Path(tempfile.mkdtemp(prefix="suretune-")) / "error.txt"
    words_typed = " ".join(_without_keys(typed))
    told = f"suretune {__version__}\n{words_typed}\n{traceback.format_exc()}"
    path.write_text(told, "utf-8", errors="backslashreplace")
    sentence = Text(
        f"suretune itself failed. The details are in {path}",
        f"suretune 自身出错，详情见 {path}",
    )
    last = traceback.format_exc().strip().splitlines()[-1]
    tell(f"{say(sentence)}\n{last}", err=True)
    return INTERNAL


def _without_keys(typed: Sequence[str]) -> list[str]:
    """A command line as it may be kept in a file."""
    kept, secret = [], False
    for word in typed:
        name, equals, _ = word.replace("-", "_").partition("=")
        key = name == "__api_key"
        kept.append(
            "***" if secret else f"--api_key{equals}{'***' if equals else ''}" if key else word
        )
        secret = key and not equals
    return kept


__all__ = ["VERBS", "main", "make_parser"]
