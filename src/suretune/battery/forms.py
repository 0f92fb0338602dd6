"""What a check may look like: every kind with its keys, and what is wrong with one that differs."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

from suretune.battery.folding import flat
from suretune.battery.language import LATIN
from suretune.battery.shapes import MARKED

SPOKEN = (*LATIN, "zh", "ja", "ko", "ru", "ar")
Test = Callable[[Any], bool]


def _is_word(value: Any) -> bool:
    """A string of which something is left when it is looked for."""
    return isinstance(value, str) and bool(flat(value).strip())


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _are(test: Test) -> Test:
    return lambda value: isinstance(value, (list, tuple)) and bool(value) and all(map(test, value))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_case(value: Any) -> bool:
    """Arguments and what the function then returns."""
    return isinstance(value, (list, tuple)) and len(value) == 2 and isinstance(value[0], list)


def _is_keys(value: Any) -> bool:
    return isinstance(value, Mapping) and bool(value) and all(map(_is_text, value))


_WORDS = _are(_is_word)
_SAID = _are(lambda value: _is_word(value) or _WORDS(value))
_TEXTS = _are(_is_text)

Keys = Mapping[str, Test]
KINDS: Mapping[str, tuple[Keys, Keys]] = {
    "says": ({"any": _SAID}, {"rivals": _WORDS}),
    "number": (
        {"value": _is_number},
        {"tolerance": lambda value: _is_number(value) and value >= 0},
    ),
    "clock": (
        {"hour": lambda value: _is_whole(value) and value < 24},
        {"minute": lambda value: _is_whole(value) and value < 60},
    ),
    "exact": ({"any": _TEXTS}, {"case": _is_flag, "plain": _is_flag}),
    "choice": ({"right": _WORDS, "wrong": _WORDS}, {}),
    "code": (
        {
            "function": lambda value: isinstance(value, str) and value.isidentifier(),
            "cases": _are(_is_case),
        },
        {},
    ),
    "json": (
        {},
        {
            "keys": _is_keys,
            "only": _is_flag,
            "typed": _is_flag,
            "array": _is_whole,
            "among": _WORDS,
        },
    ),
    "list": (
        {},
        {
            **dict.fromkeys(("n", "min", "max"), _is_count),
            "among": _WORDS,
            "marked": lambda value: value in MARKED,
        },
    ),
    "length": (
        {},
        {
            **dict.fromkeys(("max_words", "min_words", "max_chars", "min_chars"), _is_count),
            "says": _SAID,
        },
    ),
    "order": ({"items": _WORDS}, {"only": _is_flag}),
    "starts": ({"with": _TEXTS}, {}),
    "ends": ({"with": _TEXTS}, {}),
    "language": ({"lang": lambda value: value in SPOKEN}, {"says": _SAID}),
    "refuses": ({}, {}),
    "all": ({"of": _are(lambda value: isinstance(value, Mapping) and bool(value))}, {}),
    "skill": (
        {"answer": lambda value: isinstance(value, str), "check": lambda v: isinstance(v, str)},
        {},
    ),
}
"""Kind: the keys it must have, and those it may have, each with what its value must be."""


def validate(check: Mapping[str, Any]) -> None:
    """Raise a ValueError that says what is wrong with a check; an empty one judges nothing."""
    if not isinstance(check, Mapping):
        raise ValueError(f"check is {check!r}, not an object")
    if not check:
        return
    kind = check.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        raise ValueError(f"unknown check kind {kind!r}")
    must, may = KINDS[kind]
    known = {**must, **may, "not": _WORDS}
    for key, value in check.items():
        if key == "kind":
            continue
        if key not in known:
            raise ValueError(f"{kind}: unknown key {key!r}")
        if not known[key](value):
            raise ValueError(f"{kind}: {key} cannot be {value!r}")
    if missing := [key for key in must if key not in check]:
        raise ValueError(f"{kind}: {missing[0]!r} is missing")
    if problem := _contradiction(kind, check):
        raise ValueError(f"{kind}: {problem}")
    for inner in check.get("of", ()):
        validate(inner)


def _contradiction(kind: str, check: Mapping[str, Any]) -> str:
    """What is wrong with keys that are well-formed one by one."""
    if kind == "json":
        if ("keys" in check) is ("array" in check):
            return "either keys or array"
        if {"only", "typed"} & check.keys() and "array" in check:
            return "only and typed go with keys"
        return "among goes with array" if "among" in check and "keys" in check else ""
    if kind == "list":
        if "n" in check:
            return "n goes without min and max" if {"min", "max"} & check.keys() else ""
        if not {"min", "max"} & check.keys():
            return "n, min or max is missing"
    if kind == "length":
        if not check.keys() - {"kind", "says", "not"}:
            return "nothing bounds it"
        if {"max_words", "min_words"} & check.keys() and {"max_chars", "min_chars"} & check.keys():
            return "words or chars, not both"
    for low, high in (("min", "max"), ("min_words", "max_words"), ("min_chars", "max_chars")):
        if low in check and high in check and check[low] > check[high]:
            return f"{low} is above {high}"
    if kind == "order" and len({item.lower() for item in check["items"]}) < max(
        2, len(check["items"])
    ):
        return "two or more different items"
    if kind == "choice" and {w.lower() for w in check["right"]} & {
        w.lower() for w in check["wrong"]
    }:
        return "a word cannot be right and wrong"
    return _broken_skill(check["check"]) if kind == "skill" else ""


def _broken_skill(text: str) -> str:
    if not text:
        return ""
    try:
        spec = json.loads(text)
    except ValueError:
        return "check is no JSON"
    fits = isinstance(spec, dict) and {"function", "cases"} <= spec.keys()
    return "" if fits else "check has no function and cases"
