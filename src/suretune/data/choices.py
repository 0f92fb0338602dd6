"""Multiple choice: fields with what can be chosen, and answers that only name one of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from suretune.data.field_words import bare

LISTS = frozenset(
    (
        "choice",
        "choices",
        "option",
        "options",
        "candidates",
        "alternatives",
        "endings",
        "选项",
        "备选",
        "备选项",
        "备选答案",
        "候选",
        "候选答案",
    )
)
_ONE = re.compile(r"(?:options?|choices?|opt|op|选项)?[a-h]|(?:option|choice|ending|选项)[0-9]")
_PICKED = re.compile(
    r"(?i:答案|选|the answer is|answer)?[\W_是为]*"
    r"(?:[A-Ha-h](?:\W+[A-Ha-h])*|[A-H]{2,6}|\d)\W*"
)
_PARTS = re.compile(r"\n|(?:^|(?<=\s))\(?[A-Ha-h][.)、:：．）]")  # `A. red B. blue`
_BETWEEN = re.compile(r"[,;|/，；、]")
_LISTED = re.compile(r"\s*\[.*\]\s*", re.DOTALL)  # a list as JSON or Python writes it
_QUOTED = re.compile(r"\"([^\"]+)\"|'([^']+)'")
_NUMBERS = (
    "0",
    "1",
    "2",
    "3",
    "4",
)
_SHORT = 24  # characters of an answer that only names what was chosen


def choice_fields(names: Iterable[str]) -> list[str]:
    """Those of these fields that hold what can be chosen; a single letter is none."""
    found = [name for name in names if is_choice(name)]
    lists = [name for name in found if bare(name) in LISTS]
    return found if len(found) > len(lists) + 1 else lists


@lru_cache(4096)
def is_choice(name: str) -> bool:
    """Whether a field may, by its name, hold what can be chosen, or one of it: `options`, `B`."""
    plain = bare(name)
    return plain in LISTS or bool(_ONE.fullmatch(plain))


def offered(value: Mapping[str, Any], name: str) -> Any:
    """What can be chosen of a row, by one of its fields: one that holds it all, or one of many."""
    if bare(name) in LISTS:
        return value[name]
    return [held for key, held in value.items() if _ONE.fullmatch(bare(str(key)))]


def picks(answer: str, held: Any) -> bool:
    """Whether an answer only names what it chooses of what this field holds: `B`, `(C)`, `答案：D`,
    or a number where there are so many."""
    said = answer.strip()
    if len(said) > _SHORT or not _PICKED.fullmatch(said):
        return False
    number = next(filter(str.isdecimal, said), "")
    many = sum(1 + len(_BETWEEN.findall(leaf)) for leaf in _leaves(held))
    return not number or not many or int(number) <= many


def numbers_one(item: Any, value: Mapping[str, Any], answer: str) -> bool:
    """Whether a field is the number of what the answer of its row chooses: `1` of `[red, blue]`."""
    number = str(item).strip()
    if number not in _NUMBERS:
        return False
    for name in value:
        if is_choice(str(name)):
            held = offered(value, name)
            there = isinstance(held, list) and int(number) < len(held)
            return there and str(held[int(number)]) in answer
    return False


def said_in(held: Any, text: str) -> bool:
    """Whether all that can be chosen stands in a text already."""
    leaves = list(_leaves(held))
    return bool(leaves) and all(leaf in text for leaf in leaves)


def _leaves(held: Any) -> Iterator[str]:
    """The texts that can be chosen, without the letters that name them."""
    if isinstance(held, str):
        quoted = _QUOTED.findall(held) if _LISTED.fullmatch(held) else []
        for one in ["".join(pair) for pair in quoted] or [held]:
            yield from filter(None, map(str.strip, _PARTS.split(one)))
    elif isinstance(held, Mapping):
        for one in held.values():
            yield from _leaves(one)
    elif isinstance(held, (list, tuple)):
        for one in held:
            yield from _leaves(one)
