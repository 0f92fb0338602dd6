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
from suretune.data.key_names import THOUGHTS
from suretune.data.refusal import Refused
from suretune.data.thinking import USUAL, parted
from suretune.types import Fault, Message, Origin, Text

_RESULT = re.compile(r"<tool_response>(.*?)</tool_response>", re.DOTALL)
ONE_WEIGHT = Text(
    "A call and the assistant's turn before it are one answer: give them one weight.",
    "调用和它前面的 assistant 轮次是同一个回答，权重应当相同。",
)


def arranged(turns: Sequence[Message], origin: Origin) -> list[Message]:
    """The turns, each answer in one, and results without tags in the order of their calls."""
    found: list[Message] = []
    for one in turns:
        if one.role == "tool":
            found += _untagged(one)
            continue
        while found and _goes_on(found[-1], one):
            one = _joined(found.pop(), one, origin)
        found.append(one)
    told = any("tool_call_id" in one.extra for one in found)
    return _as_called(found) if told else found


def _goes_on(before: Message, one: Message) -> bool:
    """Whether a turn is the same answer: calls behind other calls, nothing but calls behind what
    was said, anything behind a turn that ends with its thought."""
    if before.role != "assistant" or one.role != "assistant":
        return False
    if "tool_calls" in before.extra:
        return "tool_calls" in one.extra
    if "tool_calls" in one.extra and not _says(one):
        return True
    return _only_thinks(before) and before.weight == one.weight


def _says(one: Message) -> bool:
    return THOUGHTS[0] in one.extra or not is_blank(one.content)


def _only_thinks(one: Message) -> bool:
    """Whether a turn is one thought in tags and nothing else."""
    inside = None if THOUGHTS[0] in one.extra else parted(one.content)
    return inside is not None and not inside[1]


def _joined(before: Message, one: Message, origin: Origin) -> Message:
    if before.weight != one.weight:
        weights = f"{before.weight:g}", f"{one.weight:g}"
        found = Text(f"the weights {' and '.join(weights)}", f"权重 {' 和 '.join(weights)}")
        raise Refused(Fault("wrong-type", origin, field="messages", found=found, hint=ONE_WEIGHT))
    extra = {**one.extra, **before.extra}
    if calls := [*before.extra.get("tool_calls", ()), *one.extra.get("tool_calls", ())]:
        extra["tool_calls"] = calls
    places = (*before.places, *one.places)
    if not _says(one):
        return replace(before, extra=extra, places=places)
    thoughts, texts = zip(_parts(before), _parts(one), strict=True)
    thought = "\n".join(filter(None, thoughts))
    content = "\n".join(text for text in texts if not is_blank(text))
    if THOUGHTS[0] in extra:
        extra[THOUGHTS[0]] = thought
    elif thought:
        content = USUAL[0] + thought + USUAL[1] + content
    return replace(before, content=content, extra=extra, places=places)


def _parts(one: Message) -> tuple[str, str]:
    """(what was thought, what was said)"""
    if own := one.extra.get(THOUGHTS[0]):
        return str(own), one.content
    return parted(one.content) or ("", one.content)


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
