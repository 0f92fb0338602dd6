"""Messages as every tool writes them, to `Message`, and the order that they may come in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from suretune.data.blank import is_blank, with_unseen
from suretune.data.broken import PYTHON_LIST, as_python
from suretune.data.calls import calls_of, from_json, tool_calls
from suretune.data.key_names import is_about, is_mark
from suretune.data.marks import filled, refuse_unknown, weight_of
from suretune.data.refusal import Refused, shown
from suretune.types import Fault, Message, Origin, Text

_CALL = "call"  # an assistant turn whose text is a tool call
ROLES = {
    **dict.fromkeys(("system", "developer"), "system"),
    **dict.fromkeys(("user", "human", "prompter"), "user"),
    **dict.fromkeys(("assistant", "gpt", "chatgpt", "bot", "model"), "assistant"),
    **dict.fromkeys(
        ("tool", "observation", "function", "function_response", "tool_response"), "tool"
    ),
    **dict.fromkeys(("function_call", "tool_call"), _CALL),
}
# A thought has many names; it goes on as the first, and the template is asked how it calls it.
THOUGHTS = ("reasoning_content", "thinking", "reasoning", "thought", "thoughts", "reasoning_text")
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
_PART_KEYS = frozenset(("type", "text", "value", *THOUGHTS))

_TYPES = {
    dict: Text("object", "对象"),
    list: Text("list", "列表"),
    bool: Text("boolean", "布尔值"),
    int: Text("number", "数字"),
    float: Text("number", "数字"),
    type(None): Text("no value", "空值"),
}
AS_TEXT = Text('Write it as text, in quotes: "42".', '请写成带引号的文本："42"。')
ONLY_TEXT = Text(
    "Only text can be learned here; leave out images, audio and video.",
    "这里只能学习文本；请去掉图片、音频和视频。",
)


def wrong_type(
    origin: Origin,
    field: str,
    value: Any,
    hint: Text = AS_TEXT,
) -> Refused:
    """`value` is not what `field` must hold."""
    if value is None and hint is AS_TEXT:
        hint = Text("The field has no value.", "这个字段没有值。")
    found: str | Text = shown(value)
    if not isinstance(value, str):
        name = type(value).__name__
        kind = _TYPES.get(type(value), Text(name, name))
        found = Text(f"{found} ({kind.en})", f"{found}（{kind.zh}）")
    return Refused(Fault("wrong-type", origin, field=field, found=found, hint=hint))


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
    return Message(role, content, weight, extra)


def text_of(value: Any, field: str, origin: Origin) -> str:
    """A value that has to be a text; raises the fault of a wrong type else."""
    if not isinstance(value, str):
        raise wrong_type(origin, field, value)
    return value


def optional_text(
    row: Mapping[str, Any],
    field: str,
    origin: Origin,
) -> str:
    """Empty where the field is absent or null, as parquet and unions of rows have it."""
    value = row.get(field)
    return "" if value is None else text_of(value, field, origin)


def list_of(value: Any, field: str, origin: Origin) -> list[Any]:
    """A list, or JSON text of one (tables cannot hold lists); absent and empty count as []."""
    if value is None or value == "":
        return []
    found = from_json(value) if isinstance(value, str) else value
    if not isinstance(found, list):
        hint = Text("This must be a list.", "这里应当是一个列表。")
        if isinstance(value, str) and as_python(value):
            hint = PYTHON_LIST
        raise wrong_type(origin, field, value, hint)
    return found


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
        hint = Text(
            "Roles are: system, user, assistant, tool.", "角色只有：system、user、assistant、tool。"
        )
        raise _order(origin, f"{field}.{key}", shown(written), hint)
    _same_role(item, role, field, origin)
    extra = _extra(item, field, origin)
    name, content = _one_of(("content", "value"), item, field, origin)
    if content is None:  # the name that is there, else the one that belongs to the other
        name = next((n for n in ("content", "value") if n in whole), _SAYS[key])
    where = f"{field}.{name}"
    if role == _CALL:
        role, content = "assistant", text_of(content, where, origin)
        if calls := tool_calls(content, where, origin):
            extra["tool_calls"], content = calls, ""
    elif isinstance(content, list):
        content = _joined(content, extra, where, origin)
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
    if calls := calls_of(list_of(item.get("tool_calls"), where, origin), where, origin):
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
    name, value = _one_of(THOUGHTS, item, field, origin)
    return text_of(value, f"{field}.{name}", origin) if filled(value) else ""


def _one_of(
    names: Sequence[str],
    item: Mapping[str, Any],
    field: str,
    origin: Origin,
) -> tuple[str, Any]:
    """(name, value): what one of these names of the same thing holds, None where none is there;
    under two names only if both say the same."""
    there = [name for name in names if filled(item.get(name))]
    if not there:  # "" says that nothing was said; what is null is not there
        there = [name for name in names if item.get(name) is not None] or [names[-1]]
        return there[0], item.get(there[0])
    first, *others = there
    for other in others:
        if not _says_same(item[other], item[first]):
            _refuse_second(other, item[other], field, origin)
    return first, item[first]


def _says_same(one: Any, other: Any) -> bool:
    """Blanks at the ends are no difference: templates trim them."""
    if isinstance(one, str) and isinstance(other, str):
        return one.strip() == other.strip()
    return bool(one == other)


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
    if named == role or role == "tool" or (calls and {named, role} == {"assistant", _CALL}):
        return
    _refuse_second("from", other, field, origin)


def _refuse_second(name: str, value: Any, field: str, origin: Origin) -> NoReturn:
    hint = Text(
        f"Another field of this turn says something else; `--ignore_fields {name}` reads the turns"
        " without this one.",
        f"这一轮另有字段写着不同的内容；加上 `--ignore_fields {name}` 就不读这一个。",
    )
    found = shown(value, 40)
    raise Refused(Fault("unknown-field", origin, field=f"{field}.{name}", found=found, hint=hint))


def _joined(
    parts: Sequence[Any],
    extra: dict[str, Any],
    where: str,
    origin: Origin,
) -> str:
    """Text of typed parts, end to end as templates join them; reasoning and calls go to `extra`."""
    text: list[str] = []
    thoughts: list[str] = []
    for index, part in enumerate(parts):
        field = f"{where}[{index}]"
        if not isinstance(part, Mapping):
            raise wrong_type(origin, field, part, ONLY_TEXT)
        kind = part.get("type", "text")
        _, value = _one_of(("text", "value", *THOUGHTS), part, field, origin)
        if kind in ("text", "input_text", "output_text"):
            refuse_unknown(part, _PART_KEYS, field, origin)
            text.append(text_of(value, field, origin))
        elif kind in ("reasoning", "thinking"):
            refuse_unknown(
                part,
                _PART_KEYS | {"signature"},
                field,
                origin,
            )
            thoughts.append(text_of(value, field, origin))
        elif kind == "tool_use":  # Anthropic's
            extra["tool_calls"] = [*extra.get("tool_calls", ()), *calls_of([part], where, origin)]
        elif kind == "tool_call" and (calls := tool_calls(value, field, origin)):
            extra["tool_calls"] = [*extra.get("tool_calls", ()), *calls]
        else:
            raise wrong_type(
                origin,
                field,
                f"type: {shown(kind)}",
                ONLY_TEXT,
            )
    thought = "".join(thoughts)
    if thought and thought.strip() != extra.get(THOUGHTS[0], "").strip():  # else it is said twice
        extra[THOUGHTS[0]] = extra.get(THOUGHTS[0], "") + thought
    return "".join(text)


# --- order --------------------------------------------------------------------------------------


def _order(
    origin: Origin,
    field: str,
    found: str,
    hint: Text,
) -> Refused:
    return Refused(Fault("turn-order", origin, field=field, found=found, hint=hint))


def in_order(turns: Sequence[Message], origin: Origin) -> tuple[Message, ...]:
    """The turns, if a model can be taught by them.

    Two turns of one role in a row are fine, as they are for chat templates. The assistant may
    open the conversation when a system prompt stands before it (a greeting), but not out of
    nothing; somebody must have the first word.
    """
    for index, one in enumerate(turns):
        before = turns[index - 1].role if index else ""
        if problem := _misplaced(one.role, before):
            raise _order(
                origin,
                f"messages[{index}]",
                _path(turns[: index + 1]),
                problem,
            )
    if not any(one.role == "assistant" for one in turns):
        raise _order(origin, "messages", _path(turns), NO_ANSWER)
    if turns[-1].role != "assistant":
        raise _order(
            origin,
            f"messages[{len(turns) - 1}]",
            _path(turns),
            UNANSWERED,
        )
    return tuple(turns)


def _path(turns: Sequence[Message]) -> str:
    """The last roles."""
    return ("… → " if turns[3:] else "") + " → ".join(one.role for one in turns[-3:]) or "[]"


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
