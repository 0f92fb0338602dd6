"""Calls that are written as text: all that a turn of calls holds, or an answer beside its tools."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from suretune.data.calls import A_CALL, ARGUMENTS, calls_of, from_json, name_of
from suretune.data.held import wrong_type
from suretune.types import Message, Origin, Text

IN_JSON = "calls in JSON"  # as `Example.rendered` names it
_FENCE = re.compile(r"```(?:json)?[ \t]*\n(.*?)\n?```", re.DOTALL)
_TAGGED = re.compile(r"<tool_call>(.*?)</tool_call>", re.DOTALL)
_THOUGHT = re.compile(r"<think>.*?</think>", re.DOTALL)
_PYTHON = re.compile(r"[\[{\s]*'")
_PLAIN_KEYS = frozenset(("name", "function", *ARGUMENTS, "id", "type"))
_FORM_EN = 'A turn of calls holds `{"name": "...", "arguments": {...}}`, or a list of these.'
_FORM_ZH = '调用轮次应写成 `{"name": "...", "arguments": {...}}`，或它们的列表。'
NO_JSON = Text(
    f"It is no JSON. {_FORM_EN} What was said in words is a turn of the `assistant`.",
    f"这不是 JSON。{_FORM_ZH}用文字回答的那一轮，角色应是 `assistant`。",
)
BROKEN = Text(f"Its JSON is broken or cut short. {_FORM_EN}", f"JSON 有错，或者不完整。{_FORM_ZH}")
PYTHON = Text(
    f"These are Python's quotes; JSON has double ones (`json.dumps`). {_FORM_EN}",
    f"这是 Python 的引号，JSON 要用双引号（`json.dumps`）。{_FORM_ZH}",
)


def called(value: Any, field: str, origin: Origin) -> tuple[str, list[Any]]:
    """(what is said before them, the calls) of a turn of calls; raises what is wrong with it."""
    before = text = ""
    values = value if isinstance(value, list) else [value]
    if isinstance(value, str):
        before, text = _parted(value)
        values = _values(text)
    if not values or not all(map(name_of, values)):
        raise wrong_type(origin, field, '""' if value == "" else value, _why_none(text))
    return before, calls_of(values, field, origin, isinstance(value, str))


def _why_none(text: str) -> Text:
    if not text or from_json(text) is not None:
        return A_CALL
    if _PYTHON.match(text):
        return PYTHON
    return BROKEN if text[:1] in ("{", "[") else NO_JSON


def _parted(text: str) -> tuple[str, str]:
    """(a thought, or words before tags; what may be calls)"""
    text = text.strip()
    thought = _THOUGHT.match(text)
    at = thought.end() if thought else 0
    at = max(at, text.find("<tool_call>"))
    return text[:at].strip(), text[at:].strip()


def _values(text: str) -> list[Any]:
    """The JSON values that a text is made of: one, in a fence, in tags or one a line; empty for
    any other text."""
    fence = _FENCE.fullmatch(text)
    text = fence[1] if fence else text
    pieces = [text]
    if text.startswith("<tool_call>"):
        pieces = _TAGGED.findall(text)
        if _TAGGED.sub("", text).strip():
            return []
    elif from_json(text) is None:
        pieces = [line for line in text.splitlines() if line.strip()]
    found: list[Any] = []
    for piece in pieces:
        value = from_json(piece)
        if not isinstance(value, (list, Mapping)):
            return []
        found += value if isinstance(value, list) else [value]
    return found


# --- beside tools -------------------------------------------------------------------------------


def with_calls(
    turns: Sequence[Message],
    tools: Sequence[Any],
    origin: Origin,
) -> list[Message]:
    """The turns; answers that are nothing but calls to these tools, written as text, as calls."""
    names = {name_of(tool) for tool in tools} - {""}
    if not names:
        return list(turns)
    return [
        _with_calls(
            turn,
            names,
            f"messages[{index}].content",
            origin,
        )
        for index, turn in enumerate(turns)
    ]


def _with_calls(
    turn: Message,
    names: set[str],
    field: str,
    origin: Origin,
) -> Message:
    if turn.role != "assistant" or "tool_calls" in turn.extra or "{" not in turn.content:
        return turn
    before, text = _parted(turn.content)
    values = _values(text)
    for value in values:
        if not _is_plain(value, names):
            return turn
    if not values:
        return turn
    calls = calls_of(values, field, origin, written=True)
    return replace(
        turn,
        content=before,
        extra={**turn.extra, "tool_calls": calls},
    )


def _is_plain(value: Any, names: set[str]) -> bool:
    """Whether this calls one of these tools, and says nothing else."""
    if name_of(value) not in names or not value.keys() <= _PLAIN_KEYS:
        return False
    inside = value.get("function")
    if not isinstance(inside, Mapping):
        inside = value
    if not inside.keys() <= _PLAIN_KEYS:
        return False
    given = [inside[key] for key in ARGUMENTS if key in inside]
    if len(given) != 1:
        return False
    found = given[0]
    if isinstance(found, str):
        found = from_json(found)
    return isinstance(found, Mapping)
