"""Keyword arguments to a resolved config: the command line's options, judged as there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from os import PathLike, fspath
from typing import Any

from suretune import typed
from suretune.api.arguments import values_of
from suretune.api.keywords import APART, COMMAND_LINE, GROUPS
from suretune.config import Option, Resolved, options
from suretune.facts import FlagFacts
from suretune.preflight.again import word_of
from suretune.record.journal import Journal
from suretune.speak.question import NO_TEXT
from suretune.spelled import sayable
from suretune.types import Text
from suretune.values import Set, bad_value, nearest_of, set_value


def resolved_of(
    named: Mapping[str, object],
    journal: Journal,
    groups: tuple[str, ...] = GROUPS,
) -> Resolved:
    """The config of these options; whatever is wrong with them is told to the journal."""
    known = {
        name: spec
        for spec in options().values()
        if spec.group in groups and (spec.name not in APART or spec.name in ("model", "dataset"))
        for name in (spec.name, *spec.aliases)
    }
    resolved, given = Resolved.default(), dict[str, str]()
    for name, value in named.items():
        spec = known.get(name)
        if spec is None:
            journal.look(_no_option(name, known))
        elif value is not None:
            if spec.name in given:
                facts = FlagFacts(
                    "given-twice",
                    f"--{spec.name}",
                    given[spec.name],
                    name,
                )
                journal.look(facts)
            given[spec.name] = name
            words = [_word(one) for one in values_of(value, name, many=spec.many)]
            resolved, faults = _set(resolved, spec, words)
            journal.look_at_all(faults)
    journal.heed(resolved.config.run.ignore)
    journal.look_at_codes(resolved.config.run.ignore)
    return resolved


def _no_option(name: str, known: Iterable[str]) -> FlagFacts:
    there = COMMAND_LINE.get(name)
    if there is not None:
        hint = Text(
            f"It belongs to the command line alone: {there.en}",
            f"它只属于命令行：{there.zh}",
        )
        return FlagFacts("no-effect", f"--{name}", hint=hint)
    near = nearest_of(name, known)
    return FlagFacts("unknown-flag", f"--{name}", nearest=near and f"--{near}")


def _set(resolved: Resolved, spec: Option, words: Sequence[str]) -> Set:
    for word in words:
        if not sayable(word, "utf-8"):
            shown = typed.word(word)
            return resolved, [bad_value(spec, shown, NO_TEXT)]
    return set_value(
        resolved,
        spec,
        words,
        "flag",
    )


def _word(value: Any) -> str:
    """A value as the command line would have it."""
    return fspath(value) if isinstance(value, PathLike) else word_of(value)
