"""`--ignore_fields`: fields of rows, turns, parts and calls that are left out on purpose."""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Any

from suretune.data.calls import from_json
from suretune.data.columns import MESSAGE_LISTS
from suretune.data.key_names import THOUGHTS


def without(value: Any, names: Set[str], gone: set[str]) -> Any:
    """The row without these fields, its own and those of its turns; `gone` learns which it had.

    A thought is left out under whatever name it has.
    """
    if isinstance(value, list):
        return [_turn_without(turn, names, gone) for turn in value]
    if not isinstance(value, Mapping):
        return value
    kept = _less(value, names, gone)
    for name in (*MESSAGE_LISTS, "instances", "prompt", "completion"):
        turns = kept.get(name)
        if isinstance(turns, str) and name not in ("prompt", "completion"):
            turns = from_json(turns)
        if isinstance(turns, list):
            kept[name] = [_turn_without(turn, names, gone) for turn in turns]
    return kept


def _turn_without(turn: Any, names: Set[str], gone: set[str]) -> Any:
    if not isinstance(turn, Mapping):
        return turn
    kept = _less(turn, names, gone)
    for inner in ("content", "tool_calls"):
        if isinstance(items := kept.get(inner), list):
            kept[inner] = [_part_without(item, names, gone) for item in items]
    if THOUGHTS[0] in names:
        kept = _less(kept, frozenset(THOUGHTS), gone, THOUGHTS[0])
        if isinstance(parts := kept.get("content"), list):
            said = [part for part in parts if not _is_thought(part)]
            gone |= {THOUGHTS[0]} if len(said) < len(parts) else set()
            kept["content"] = said
    return kept


def _part_without(item: Any, names: Set[str], gone: set[str]) -> Any:
    """A part of a content, or a call and its function; what a call is given stays whole."""
    if not isinstance(item, Mapping):
        return item
    kept = _less(item, names, gone)
    if isinstance(function := kept.get("function"), Mapping):
        kept["function"] = _less(function, names, gone)
    return kept


def _is_thought(part: Any) -> bool:
    return isinstance(part, Mapping) and part.get("type") in ("reasoning", "thinking")


def _less(
    value: Mapping[str, Any],
    names: Set[str],
    gone: set[str],
    told: str = "",
) -> dict[str, Any]:
    found = names & value.keys()
    gone |= {told} if told and found else found
    return {key: item for key, item in value.items() if key not in found}
