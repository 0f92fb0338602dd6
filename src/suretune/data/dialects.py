"""Turns that only one program writes so, in the form that all others share.

Anthropic's results stand in the parts of a user's turn; gpt-oss has a turn of its own for what was
thought, and names the tool beside the call; GLM-4 names it there too, and lists the tools in the
system turn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from suretune.data.calls import from_json
from suretune.data.columns import MESSAGE_LISTS, TOOLS
from suretune.data.content_parts import parts_in
from suretune.data.key_names import THOUGHTS, is_mark
from suretune.data.marks import filled
from suretune.data.turns import CALL, ROLES

Turn = Mapping[str, Any]
_CONTENTS = ("content", "value")
_PLAIN = frozenset(("role", "from", *_CONTENTS))
_OTHERS = ("text", "message", "utterance", "parts")  # what the content is called elsewhere
_ANSWERS = ("assistant", CALL)
_BESIDE = ("content", "metadata", "recipient")
_OF_RESULTS = ("type", "tool_use_id", "content", "is_error")


def role_of(item: Any) -> str:
    """Whose turn it is; empty where nobody could tell."""
    if not isinstance(item, Mapping):
        return ""
    said = item.get("role") or item.get("from")
    if not isinstance(said, str):
        return ""
    return ROLES.get(said.strip().lower(), "")


def plain_turns(items: Sequence[Any]) -> list[tuple[int, Any]]:
    """The turns, each with its place in the file."""
    items = _with_parts(items)
    if all(map(_is_plain, items)):
        return list(enumerate(items))
    found: list[tuple[int, Any]] = []
    thought = ""
    for index, item in enumerate(items):
        role = role_of(item)
        if not role:
            found.append((index, item))
            continue
        following = role_of(items[index + 1]) if items[index + 1 :] else ""
        turn = _with_content(item)
        if role == "user":
            found += [(index, each) for each in _without_results(turn)]
            continue
        if role == "assistant" and (only := _only_thought(turn)):
            if following in _ANSWERS:
                thought += "\n" * bool(thought) + only
                continue
            turn = {**turn, "content": ""}  # what it leads to is missing, and that is told
        elif role == "assistant":
            turn = _as_call(turn, following)
        if role in _ANSWERS:
            turn = _with_thought(turn, thought)
            thought = ""
        found.append((index, turn))
    return found


def _with_parts(items: Sequence[Any]) -> Sequence[Any]:
    """The turns with lists in place of the JSON text of parts, where all that was asked and
    answered is written so; in one turn alone the text may be what was said."""
    found: list[Any] = []
    for item in items:
        role = role_of(item)
        names = [name for name in _CONTENTS if role and filled(item.get(name))]
        parts = parts_in(item[names[0]]) if names else []
        if parts:
            item = {**item, names[0]: parts}
        elif names and role in ("user", "assistant"):
            return items
        found.append(item)
    return found


def _is_plain(item: Any) -> bool:
    """Whether a turn is as most are. There are many, so this is all that these cost."""
    if type(item) is not dict or not item.keys() <= _PLAIN:
        return False
    return isinstance(item.get("content") or item.get("value"), str)


def _with_content(item: Turn) -> Turn:
    """The turn with what it says under the usual name, where it has one other name for it."""
    for name in _CONTENTS:
        if filled(item.get(name)):
            return item
    names = [name for name in _OTHERS if filled(item.get(name))]
    if len(names) != 1:
        return item
    said = item[names[0]]
    if not isinstance(said, (str, list)):
        return item
    return {**_without(item, (*_CONTENTS, *names)), "content": said}


def _without(item: Turn, names: Sequence[str]) -> dict[str, Any]:
    return {key: value for key, value in item.items() if key not in names}


def _only_thought(turn: Turn) -> str:
    """The thought of a turn that says nothing else: in its field, or gpt-oss's."""
    if any(map(is_mark, turn)):
        return ""
    thought = turn.get("content")
    if turn.get("channel") != "analysis":
        for key in (*_CONTENTS, "tool_calls", "function_call"):
            if filled(turn.get(key)):
                return ""
        names = [name for name in THOUGHTS if filled(turn.get(name))]
        thought = turn[names[0]] if len(names) == 1 else ""
    return thought if isinstance(thought, str) else ""


def _with_thought(turn: Turn, thought: str) -> Turn:
    if not thought:
        return turn
    names = [name for name in THOUGHTS if filled(turn.get(name))]
    if not names:
        return {**turn, THOUGHTS[0]: thought}
    own = turn[names[0]]
    same = [name for name in names if turn[name] == own]  # another one is refused by its name
    return {**_without(turn, same), same[0]: f"{thought}\n{own}"}


def _as_call(turn: Turn, following: str) -> Turn:
    """A call whose tool is named beside its arguments."""
    name = turn.get("metadata")
    recipient = turn.get("recipient")
    if isinstance(recipient, str) and recipient.startswith("functions."):
        name = recipient.removeprefix("functions.")
    elif following != "tool":  # else it may be a note on an answer
        return turn
    held = turn.get("content")
    if not isinstance(name, str) or not isinstance(held, str):
        return turn
    if not name or not isinstance(from_json(held), Mapping):
        return turn
    call = {"name": name, "arguments": held}
    return {**_without(turn, _BESIDE), "tool_calls": [call]}


def _without_results(turn: Turn) -> list[Turn]:
    """The results in a turn of a user as turns of tools, and what else it says behind them."""
    parts = turn.get("content")
    if not isinstance(parts, list):
        return [turn]
    found: list[Turn] = []
    others: list[Any] = []
    for part in parts:
        if isinstance(part, Mapping) and part.get("type") == "tool_result":
            found.append(_result(part))
        else:
            others.append(part)
    if others or not found:
        found.append({**turn, "content": others})
    return found


def _result(part: Turn) -> dict[str, Any]:
    return {
        **_without(part, _OF_RESULTS),
        "role": "tool",
        "tool_call_id": part.get("tool_use_id"),
        "content": part.get("content") or "",
    }


def with_tools(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """The row with the tools that its system turn lists, where it lists none itself."""
    for name in TOOLS:
        if filled(row.get(name)):
            return row
    for name in MESSAGE_LISTS:
        if filled(row.get(name)):
            return _with_tools(row, name)
    return row


def _with_tools(row: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    turns = row[name]
    if isinstance(turns, str):
        turns = from_json(turns)
    if not isinstance(turns, list) or not turns:
        return row
    first = turns[0]
    if role_of(first) != "system" or not filled(first.get("tools")):
        return row
    return {
        **row,
        name: [_without(first, ("tools",)), *turns[1:]],
        TOOLS[0]: first["tools"],
    }
