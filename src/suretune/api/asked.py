"""Keyword arguments to a resolved config: the command line's options, judged as there."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike, fspath
from typing import Any

from suretune.api.keywords import APART, GROUPS
from suretune.config import Option, Resolved, options
from suretune.facts import FlagFacts
from suretune.preflight.again import word_of
from suretune.record.journal import Journal
from suretune.values import nearest_of, set_value


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
            near = nearest_of(name, known)
            facts = FlagFacts("unknown-flag", f"--{name}", nearest=near and f"--{near}")
            journal.look(facts)
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
            resolved, faults = set_value(
                resolved,
                spec,
                _words(spec, value),
                "flag",
            )
            journal.look_at_all(faults)
    journal.heed(resolved.config.run.ignore)
    journal.look_at_codes(resolved.config.run.ignore)
    return resolved


def _words(spec: Option, value: Any) -> list[str]:
    """A value as the command line would have it: one word, or for a list one word each."""
    several = spec.many and isinstance(value, (list, tuple, set, frozenset))
    return [_word(one) for one in (value if several else [value])]


def _word(value: Any) -> str:
    return fspath(value) if isinstance(value, PathLike) else word_of(value)
