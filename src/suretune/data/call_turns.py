"""Turns of calls and of their results, arranged as templates take them.

Some programs write a thought, each call and each result as a turn of its own. A template writes an
end behind every turn, so what is one answer has to be one turn.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from suretune.data.blank import is_blank
from suretune.data.held import wrong_type
from suretune.data.key_names import THOUGHTS
from suretune.types import Message, Origin, Text

_RESULT = re.compile(r"<tool_response>(.*?)</tool_response>", re.DOTALL)
ONE_WEIGHT = Text(
    "A call and the assistant's turn before it are one answer: give them one weight.",
    "调用和它前面的 assistant 轮次是同一个回答，权重应当相同。",
)


def arranged(turns: Sequence[Message], origin: Origin) -> list[Message]:
    """The turns, each answer in one, and results without tags in the order of their calls."""
    found: list[Message] = []
    for index, one in enumerate(turns):
        if one.role == "tool":
            found += _untagged(one)
        elif found and _goes_on(found[-1], one):
            if found[-1].weight != one.weight:
                raise wrong_type(
                    origin,
                    f"messages[{index}].weight",
                    one.weight,
                    ONE_WEIGHT,
                )
            found[-1] = _with(found[-1], one)
        else:
            found.append(one)
    told = any("tool_call_id" in one.extra for one in found)
    return _as_called(found) if told else found


def _goes_on(before: Message, one: Message) -> bool:
    """Whether a turn has nothing but calls, behind what the assistant thought, said or called."""
    if before.role != "assistant" or one.role != "assistant":
        return False
    if "tool_calls" not in one.extra or THOUGHTS[0] in one.extra:
        return False
    return is_blank(one.content)


def _with(before: Message, one: Message) -> Message:
    extra = {**one.extra, **before.extra}
    extra["tool_calls"] = [
        *before.extra.get("tool_calls", ()),
        *one.extra["tool_calls"],
    ]
    return replace(before, extra=extra)


def _untagged(result: Message) -> list[Message]:
    """A result without the tags that templates put around one; several, where it has several."""
    inside = _RESULT.findall(result.content)
    if not inside or _RESULT.sub("", result.content).strip():
        return [result]
    return [replace(result, content=content.strip()) for content in inside]


def _as_called(turns: Sequence[Message]) -> list[Message]:
    """The results of several calls in the order of these: most templates do not write the ids."""
    found: list[Message] = []
    results: list[Message] = []
    ids: list[Any] = []
    for one in turns:
        if one.role == "tool":
            results.append(one)
            continue
        found += _sorted(results, ids)
        found.append(one)
        results = []
        calls = one.extra.get("tool_calls", ())
        ids = [call.get("id") for call in calls]
    return found + _sorted(results, ids)


def _sorted(results: list[Message], ids: list[Any]) -> list[Message]:
    by_id: dict[Any, Message] = {}
    for one in results:
        of = one.extra.get("tool_call_id")
        if of is None or of in by_id or of not in ids:
            return results
        by_id[of] = one
    return sorted(
        results,
        key=lambda one: ids.index(one.extra["tool_call_id"]),
    )
