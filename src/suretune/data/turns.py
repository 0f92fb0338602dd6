"""Messages as every tool writes them, to `Message`, and the order that they may come in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from suretune.data.blank import is_blank, with_unseen
from suretune.data.call_texts import called
from suretune.data.calls import ONE_OF_THEM, calls_of, tool_calls
from suretune.data.content_parts import joined
from suretune.data.held import list_of, one_of, refuse_second, text_of, wrong_type
from suretune.data.key_names import THOUGHTS, is_about, is_mark
from suretune.data.marks import filled, refuse_unknown, weight_of
from suretune.data.refusal import Refused, shown
from suretune.types import Fault, Message, Origin, Text

CALL = "call"  # an assistant turn whose text is a tool call
ROLES = {
    **dict.fromkeys(("system", "developer", "系统"), "system"),
    **dict.fromkeys(("user", "human", "prompter", "用户"), "user"),
    **dict.fromkeys(
        ("assistant", "gpt", "chatgpt", "bot", "chatbot", "ai", "model", "助手"), "assistant"
    ),
    **dict.fromkeys(
        ("tool", "observation", "function", "function_response", "tool_response"), "tool"
    ),
    **dict.fromkeys(("function_call", "tool_call"), CALL),
}
# What chat templates know about a turn besides its role, its text and its thought.
_TEXTS = ("tool_call_id", "name")
TURN_KEYS = frozenset(
    (
        "role",
        "from",
        "content",
        "value",
        *_TEXTS,
        *THOUGHTS,
        "tool_calls",
        "function_call",
    )
)
_SAYS = {"role": "content", "from": "value"}


def turn(
    role: str,
    content: str,
    field: str,
    origin: Origin,
    weight: float = 1.0,
    extra: Mapping[str, Any] | None = None,
) -> Message:
    """A message that says something; `field` is where its content stands."""
    extra = extra or {}
    if role == "user" and is_blank(content):
        hint = with_unseen(EMPTY_QUESTION, content)
        raise _order(origin, field, f'"{shown(content.strip())}"', hint)
    if role == "assistant" and "tool_calls" not in extra and is_blank(content):
        raise empty(origin, field, content)
    return Message(role, content, weight, extra, _place(field))


@cache
def _place(field: str) -> tuple[str, ...]:
    """Rows of a file have the same fields: each is kept once."""
    return (field,)


def is_absent(item: Any) -> bool:
    """A system turn of null: none at all. One of "" keeps a template's own prompt away."""
    if not isinstance(item, Mapping) or item.get("content") is not None:
        return False
    if any(filled(held) and not _names(str(key)) for key, held in item.items()):
        return False  # it says something, under whatever key: `message` reads or refuses it
    role = item.get("role") or item.get("from")
    said = isinstance(role, str) and ROLES.get(role.strip().lower()) == "system"
    return said and item.get("value") is None


def _names(key: str) -> bool:
    """Whether a key of a turn says whose it is, or keeps books, and has nothing that was said."""
    return key in ("role", "from", *_TEXTS) or is_about(key) or is_mark(key)


def message(item: Any, field: str, origin: Origin) -> Message:
    """One turn of `role`/`content` or `from`/`value`."""
    if not isinstance(item, Mapping):
        hint = Text(
            'A turn is an object: `{"role": "user", "content": "..."}`.',
            '每轮对话是一个对象：`{"role": "user", "content": "..."}`。',
        )
        raise wrong_type(origin, field, item, hint)
    whole = item
    if None in item.values():  # as a union of rows has them: absent
        item = {key: value for key, value in item.items() if value is not None}
    refuse_unknown(item, TURN_KEYS, field, origin)
    key = "from" if "from" in item and "role" not in item else "role"
    written = text_of(item.get(key), f"{field}.{key}", origin)
    role = ROLES.get(written.strip().lower(), "")
    if not role:
        raise wrong_type(origin, f"{field}.{key}", written, ROLES_ARE)
    _same_role(item, role, field, origin)
    extra = _extra(item, field, origin)
    name, content = one_of(("content", "value"), item, field, origin)
    if content is None:  # the name that is there, else the one that belongs to the other
        name = next((n for n in ("content", "value") if n in whole), _SAYS[key])
    where = f"{field}.{name}"
    if role == CALL:
        role = "assistant"
        if "tool_calls" not in extra:
            content, extra["tool_calls"] = called(content, where, origin)
        elif filled(content):
            raise wrong_type(origin, where, content, ONE_OF_THEM)
        content = content or ""
    elif isinstance(content, list):
        content = joined(content, extra, where, origin)
    elif content is None and "tool_calls" in extra:
        content = ""
    weight = weight_of(item, field, origin) if role == "assistant" else 1.0
    if content is None:
        raise _nothing_said(whole, where, origin)
    return turn(
        role,
        text_of(content, where, origin),
        where,
        origin,
        weight,
        extra,
    )


def _nothing_said(
    item: Mapping[str, Any],
    where: str,
    origin: Origin,
) -> Refused:
    """The fault of a turn without content; OpenAI writes what a model refused beside it."""
    hint = Text("Write what was said there.", "请写上这一轮说的内容。")
    if isinstance(item.get("refusal"), str):
        hint = Text(
            "The answer stands in `refusal`, which is not learned: write it into `content`, or "
            "leave the row out.",
            "回答写在 `refusal` 里，那里的内容不会学习：请把它写进 `content`，或去掉这条数据。",
        )
    if where.rpartition(".")[2] in item:
        return wrong_type(origin, where, None, hint)
    missing = Text("nothing: it is not there", "没有这个字段")
    return Refused(Fault("wrong-type", origin, field=where, found=missing, hint=hint))


def _extra(
    item: Mapping[str, Any],
    field: str,
    origin: Origin,
) -> dict[str, Any]:
    extra: dict[str, Any] = {}
    for name in _TEXTS:
        if item.get(name) not in (None, ""):
            extra[name] = text_of(
                item[name],
                f"{field}.{name}",
                origin,
            )
    if thoughts := _thoughts(item, field, origin):
        extra[THOUGHTS[0]] = thoughts
    where = f"{field}.tool_calls"
    listed = item.get("tool_calls")
    written = isinstance(listed, str)
    if calls := calls_of(list_of(listed, where, origin), where, origin, written):
        extra["tool_calls"] = calls
    elif filled(item.get("function_call")) and item["function_call"] is not False:  # the older form
        where, value = f"{field}.function_call", item["function_call"]
        extra["tool_calls"] = tool_calls(value, where, origin) or calls_of([value], where, origin)
    return extra


def _thoughts(
    item: Mapping[str, Any],
    field: str,
    origin: Origin,
) -> str:
    """What was thought, under whatever name."""
    name, value = one_of(THOUGHTS, item, field, origin)
    return text_of(value, f"{field}.{name}", origin) if filled(value) else ""


def _same_role(
    item: Mapping[str, Any],
    role: str,
    field: str,
    origin: Origin,
) -> None:
    """Raises Refused where `from` names another role than `role`; a name of a person is a note,
    and who called a tool."""
    other = item.get("from")
    named = ROLES.get(other.strip().lower(), role) if isinstance(other, str) else role
    calls = filled(item.get("tool_calls")) or filled(item.get("function_call"))
    if named == role or role == "tool" or (calls and {named, role} == {"assistant", CALL}):
        return
    refuse_second("from", other, field, origin)


# --- order --------------------------------------------------------------------------------------


def _order(
    origin: Origin,
    field: str,
    found: str,
    hint: Text,
) -> Refused:
    return Refused(Fault("turn-order", origin, field=field, found=found, hint=hint))


def in_order(
    turns: Sequence[Message],
    origin: Origin,
    places: Sequence[str] = (),
) -> tuple[Message, ...]:
    """The turns, if a model can be taught by them. `places`: where each stands in its row.

    Two turns of one role in a row are fine, as they are for chat templates. The assistant may
    open the conversation when a system prompt stands before it (a greeting), but not out of
    nothing; somebody must have the first word.
    """
    for index, one in enumerate(turns):
        before = turns[index - 1].role if index else ""
        if problem := _misplaced(one.role, before):
            raise _order(
                origin,
                places[index] if places else "messages",
                _path(turns[: index + 1]),
                problem,
            )
    if not any(one.role == "assistant" for one in turns):
        raise _order(origin, "messages", _path(turns), NO_ANSWER)
    if turns[-1].role != "assistant":
        raise _order(
            origin,
            places[-1] if places else "messages",
            _path(turns),
            UNANSWERED,
        )
    return tuple(turns)


def _path(turns: Sequence[Message]) -> str:
    """The last roles."""
    return ("… → " if turns[3:] else "") + " → ".join(one.role for one in turns[-3:]) or "[]"


ROLES_ARE = Text(
    "Roles are `system`, `user`, `assistant` and `tool`: call it what it is.",
    "角色只有 `system`、`user`、`assistant`、`tool`：请改成对应的那个。",
)
EMPTY_QUESTION = Text("The question is empty.", "问题是空的。")
NO_ANSWER = Text(
    "No assistant turn: there is nothing to learn from.",
    "没有 assistant 轮次：没有可以学习的内容。",
)
UNANSWERED = Text(
    "Nothing answers the last turn. Add the assistant's answer or remove the turn.",
    "最后一轮没有回答。请补上 assistant 的回答，或删除这一轮。",
)
SYSTEM_FIRST = Text(
    "There is one system turn, and it comes first.", "system 只能有一轮，并且放在最前面。"
)
NO_OPENING = Text(
    "The assistant answers before anybody spoke. Put a user (or system) turn first.",
    "还没有人提问，assistant 就先回答了。请在前面加上 user（或 system）轮次。",
)
NO_CALL = Text(
    "A tool's result comes after the assistant's call.", "工具的结果要放在 assistant 的调用之后。"
)


def _misplaced(role: str, before: str) -> Text | None:
    if role == "system" and before:
        return SYSTEM_FIRST
    if role == "assistant" and not before:
        return NO_OPENING
    if role == "tool" and before not in ("assistant", "tool"):
        return NO_CALL
    return None


def empty(origin: Origin, field: str, content: str) -> Refused:
    """There is nothing to learn in this field."""
    hint = Text("Write the answer or delete the row.", "请补上回答，或删掉这条数据。")
    hint = with_unseen(hint, content)
    return Refused(
        Fault("empty-answer", origin, field=field, found=f'"{shown(content)}"', hint=hint)
    )
