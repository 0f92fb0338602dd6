"""Words to the value of an option, or to the fault in them: one way for flags and for files."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any

from suretune.config import Option, Resolved
from suretune.facts import FlagFacts
from suretune.types import Text

COMMA = (
    "target_modules",
    "layers_to_transform",
    "ignore",
    "ignore_fields",
    "report_to",
)  # lists that other tools write with commas
EMPTY = ("system", "api_key")  # of which nothing is a value, too
LONGEST = 60  # characters of a wrong value that are shown
MISSING = Text("A value is missing.", "缺少取值。")
Set = tuple[Resolved, list[FlagFacts]]


def set_value(
    resolved: Resolved,
    spec: Option,
    words: Sequence[str],
    origin: str,
    where: str = "",
) -> Set:
    """The config with this option set, or the fault in its value. `where`: `c.yaml:3` of a file."""
    if not words or not (spec.name in EMPTY or all(word.strip() for word in words)):
        return resolved, [bad_value(spec, " ".join(words), MISSING, where)]
    if spec.name in COMMA:
        words = [part for word in words for part in parts_of(word)]
    try:
        value = tuple(spec.parse(word) for word in words) if spec.many else spec.parse(words[0])
    except (ValueError, OverflowError) as error:
        if there := next(filter(None, map(spec.elsewhere_only, words)), None):
            return resolved, [_not_here(spec, short(" ".join(words)), there, where)]
        hint = accepted(spec, str(error))
        return resolved, [bad_value(spec, " ".join(words), hint, where)]
    if value is None:
        return resolved, []
    return resolved.with_values(origin, **{spec.name: value}), []


def parts_of(word: str) -> list[str]:
    """The values of a list that was written as one word, with commas of any width."""
    return [part for part in re.split("[,，、；;]", word) if part]


def value_of(resolved: Resolved, spec: Option) -> Any:
    """What a config says for an option."""
    return getattr(getattr(resolved.config, spec.group), spec.name)


def accepted(spec: Option, error: str) -> Text:
    """What an option takes, from what its parser said."""
    if spec.kind is bool or spec.choices or error.startswith((">", "<")):
        return Text(f"It takes {error}.", f"它接受 {error}。")
    if spec.kind is int:
        return Text("It takes a whole number.", "它接受整数。")
    return Text("It takes a number.", "它接受数字。")


def bad_value(
    spec: Option,
    value: str,
    hint: Text,
    where: str = "",
) -> FlagFacts:
    """The fault; `where` goes in front of what the option takes."""
    if where:
        hint = Text(f"It stands in {where}. {hint.en}", f"它写在 {where}。{hint.zh}")
    return FlagFacts(
        "bad-value",
        f"--{spec.name}",
        short(value),
        hint=hint,
    )


def _not_here(
    spec: Option,
    value: str,
    there: Text,
    where: str,
) -> FlagFacts:
    """A value that only other tools have; `there`: what is here in its place."""
    if where:
        there = Text(f"{there.en} (it stands in {where})", f"{there.zh}（它写在 {where}）")
    return FlagFacts("not-here", f"--{spec.name}", value, hint=there)


def twice(
    spec: Option,
    first: str,
    second: str,
    *,
    flag: bool,
) -> FlagFacts:
    """An option that was given before: two values behind flags, or two places in a file."""
    told = f"--{spec.name} {first} {second}" if flag else f"{spec.name}: [A, B]"
    hint = (
        Text(
            f"If both are meant, write them as one list: `{told}`.",
            f"如果两个都要，请写成一个列表：`{told}`。",
        )
        if spec.many
        else Text("", "")
    )
    if flag:
        first, second = short(first), short(second)
    return FlagFacts(
        "given-twice",
        f"--{spec.name}",
        first,
        second,
        hint,
    )


def nearest_of(name: str, known: Iterable[str]) -> str:
    """The name that was meant, perhaps; empty where none is like it, nor the one that begins so."""
    names = list(known)
    begun = [one for one in names if one.startswith(f"{name}_")]
    close = get_close_matches(name, names, n=1, cutoff=0.5)
    return next(iter([*close, *(begun if len(begun) == 1 else [])]), "")


def short(value: str) -> str:
    """A value as it may stand in a sentence."""
    return value if len(value) <= LONGEST else f"{value[:LONGEST]}..."
