"""What two JSON texts have in common: their keys, at every depth, and their values. Pure."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import Any

LONGEST = 20_000  # characters of a text that is compared
FENCED = re.compile(r"\A\s*```[^\n`]*\n(.*?)\n?\s*```\s*\Z", re.DOTALL)
MOST_PARSED = 5_000  # answers of rows
DEEPEST = 64  # levels of JSON that are compared
CODE = 24, 3  # characters and words of a date, an amount or a code, at most


class NoJson(ValueError):
    """A text that is no JSON, or one that two readers may read differently."""


def json_in(text: str) -> Any:
    """The object or array that a text is, bare or in one fence; NoJson for everything else."""
    fenced = FENCED.match(text)
    text = (fenced[1] if fenced else text).strip()
    if text[:1] not in ("{", "[") or len(text) > LONGEST:
        raise NoJson
    try:
        value = json.loads(
            text,
            object_pairs_hook=_apart,
            parse_constant=_no_constant,
        )
    except (ValueError, RecursionError) as error:
        raise NoJson from error
    level = [value]
    for _ in range(DEEPEST):
        level = [inner for outer in level for inner in _inside(outer)]
    if level:
        raise NoJson
    return value


def key_counts(answers: Sequence[str]) -> tuple[int, Counter[str]]:
    """How many of these are JSON, and in how many of them each key occurs."""
    whole, counts = 0, Counter[str]()
    for answer in answers[:: max(1, len(answers) // MOST_PARSED)]:
        try:
            counts.update(keys_in(json_in(answer)))
            whole += 1
        except NoJson:
            continue
    return whole, counts


def _inside(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _apart(pairs: Collection[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise NoJson
    return found


def _no_constant(name: str) -> Any:
    raise NoJson(name)


def keys_in(value: Any) -> set[str]:
    """All keys, at every depth."""
    found = {key for inner in _inside(value) for key in keys_in(inner)}
    return found | value.keys() if isinstance(value, dict) else found


def labelled(value: Any) -> dict[str, str]:
    """The single values of an object by their keys, as texts: what a label could be."""
    whole = value.items() if isinstance(value, dict) else ()
    return {key: str(inner) for key, inner in whole if not isinstance(inner, dict | list)}


def same_keys(wanted: Any, given: Any) -> bool:
    """The same keys at every depth. In a list each element needs a pattern among the other's."""
    if isinstance(wanted, dict):
        return (
            isinstance(given, dict)
            and wanted.keys() == given.keys()
            and all(same_keys(value, given[key]) for key, value in wanted.items())
        )
    if isinstance(wanted, list):
        if not isinstance(given, list) or bool(wanted) != bool(given):
            return False
        return all(any(same_keys(w, g) for w in wanted) for g in given)
    return not isinstance(given, dict | list)


def same_known(wanted: Any, given: Any, prompt: str) -> bool:
    """Whether the keys (`same_keys`) and all that can be known of an answer are the same.

    A number, yes or no, what stands in the prompt and what has a digit in it (a date, a code) has
    one right value. Other text may be said in many ways, and so may a share between 0 and 1, which
    is how sure somebody was.
    """
    if not same_keys(wanted, given):
        return False
    if isinstance(wanted, dict):
        return all(same_known(value, given[key], prompt) for key, value in wanted.items())
    if isinstance(wanted, list):
        there = [any(same_known(w, g, prompt) for g in given) for w in wanted]
        given_for = [any(same_known(w, g, prompt) for w in wanted) for g in given]
        return all(there) and all(given_for)
    return not _is_known(wanted, prompt) or _same_scalar(wanted, given)


def _is_known(value: Any, prompt: str) -> bool:
    if isinstance(value, str):
        text = value.strip().casefold()
        short = len(text) <= CODE[0] and len(text.split()) <= CODE[1]
        code = short and any(map(str.isdigit, text))
        return bool(text) and (code or text in prompt.casefold())
    return not (isinstance(value, float) and 0 < value < 1)


def _same_scalar(wanted: Any, given: Any) -> bool:
    """Texts in any case; a number is the same in quotes."""
    if isinstance(wanted, bool | None) or isinstance(given, bool | None):
        return wanted is given
    if isinstance(wanted, str) and isinstance(given, str):
        return " ".join(wanted.split()).casefold() == " ".join(given.split()).casefold()
    return bool(_number(wanted) == _number(given))


def _number(value: Any) -> Any:
    try:
        return float(value)
    except (ValueError, OverflowError):
        return value


def same_values(wanted: Any, given: Any) -> bool:
    """Equal, but for blanks around texts. True is no 1, and 1 is no "1"."""
    if isinstance(wanted, dict) and isinstance(given, dict):
        return wanted.keys() == given.keys() and all(
            same_values(value, given[key]) for key, value in wanted.items()
        )
    if isinstance(wanted, list) and isinstance(given, list):
        return len(wanted) == len(given) and all(map(same_values, wanted, given))
    if isinstance(wanted, str) and isinstance(given, str):
        return wanted.strip() == given.strip()
    numbers = [isinstance(x, int | float) and not isinstance(x, bool) for x in (wanted, given)]
    return (all(numbers) or type(wanted) is type(given)) and bool(wanted == given)
