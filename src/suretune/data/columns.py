"""The names of fields that rows of known shapes have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from suretune.data.field_words import SYSTEM, bare

MESSAGE_LISTS = ("messages", "conversations", "conversation")
# (question, answer), the first that a row has both of
PAIRS = (
    ("prompt", "completion"),
    ("query", "response"),
    ("question", "answer"),
    ("ask", "answer"),
    ("prompt", "response"),
    ("prompt", "answer"),
    ("prompt", "output"),
    ("question", "response"),
    ("query", "answer"),
    ("input", "output"),
    ("input", "target"),
    ("q", "a"),
)
ANSWERS = ("output", "response", "completion", "answer")  # to an instruction
CONTEXTS = ("context", "schema", "document", "passage")  # what a question is about
INPUTS = ("input", *CONTEXTS)  # beside an instruction
SYSTEMS = ("system", "system_prompt", "system_message")
TOOLS = ("tools", "functions")
QUESTIONS = ("instruction", "query", "question", "ask", "prompt", "input")
PREFERENCE = ("chosen", "rejected", "chosen_response", "rejected_response", "rejected_messages")
BESIDE = (*SYSTEMS, *TOOLS, *CONTEXTS, "history")  # read beside a question and its answer
_SYSTEMS_BARE = frozenset(map(bare, SYSTEMS))
_EMPTY: tuple[Any, ...] = (None, "", [], {})
_LETTERS = ("q", "a")
# Headers that people write and that say nothing here; taken for a row, they would be learned.
_FOREIGN_NAMES = frozenset(
    (
        "问题",
        "问",
        "提问",
        "指令",
        "输入",
        "用户",
        "回答",
        "答",
        "答案",
        "回复",
        "输出",
        "助手",
        "questions",
        "answers",
        "user",
        "assistant",
        "human",
        "bot",
        "source",
        "target",
        "reply",
        "title",
        "content",
        "key",
        "value",
        "id",
        "label",
        "input_text",
        "output_text",
    )
)

_OTHERS = ("instances", "text", "kto_tag")
KNOWN = frozenset((*MESSAGE_LISTS, *QUESTIONS, *ANSWERS, *PREFERENCE, *BESIDE, *_OTHERS))


def is_header(cells: list[str]) -> bool:
    """Whether the first record of a table names its columns."""
    names = {cell.strip().lower() for cell in cells}
    return bool(names & KNOWN) or names.issuperset(_LETTERS)


def is_foreign_header(cells: list[str]) -> bool:
    """Whether the first record names columns, but none that is known."""
    return {cell.strip().lower() for cell in cells} <= _FOREIGN_NAMES


def is_filled(value: Mapping[str, Any], name: str) -> bool:
    """Whether a field of a row is there and says something."""
    return value.get(name) not in _EMPTY


def turns_of(value: Mapping[str, Any]) -> str:
    """The field with the turns of a row: the first that is filled, else one with no turn; '' where
    there is none. A table writes no turns as `[]`."""
    there = [name for name in MESSAGE_LISTS if value.get(name) not in (None, "")]
    full = (name for name in there if is_filled(value, name) and value[name] != "[]")
    return next(full, there[0] if there else "")


def has_turns(value: Mapping[str, Any]) -> bool:
    """Whether a row has a list with a turn in it."""
    name = turns_of(value)
    return bool(name) and is_filled(value, name) and value[name] != "[]"


def context_of(value: Mapping[str, Any]) -> str:
    """The field with what the question is about; '' where there is none."""
    told = (name for name in CONTEXTS if is_filled(value, name))
    return next((name for name in told if not only_names(value, name)), "")


def only_names(value: Mapping[str, Any], name: str) -> bool:
    """Whether a `document` or `schema` only names something, in one word, and does not say it."""
    held = value[name]
    if name == "context" or name not in CONTEXTS:
        return False
    return not isinstance(held, (str, list, Mapping)) or (
        isinstance(held, str) and held.isascii() and not any(map(str.isspace, held))
    )


def system_of(value: Mapping[str, Any]) -> str:
    """The field with the system prompt: one of those that are known, or one of their names in
    another spelling; the first known name where there is none."""
    for name in SYSTEMS:
        if is_filled(value, name):
            return name
    return next((name for name in value if _respelled(name, value[name])), SYSTEMS[0])


def _respelled(name: str, held: Any) -> bool:
    """Whether a field is `system_prompt` or the like with other capitals; `System` may be that of
    a computer or a body, so the user has to say what it is."""
    if name in SYSTEMS or not isinstance(held, str) or not held.strip():
        return False
    plain = bare(str(name))
    return plain in _SYSTEMS_BARE and plain != "system"


def names_system(name: str) -> bool:
    """Whether a field is, by its name, a system prompt."""
    return bare(name) in _SYSTEMS_BARE or bare(name) in SYSTEM


def is_message(value: Any) -> bool:
    """Whether an object is one turn of a conversation, as opposed to a row."""
    return isinstance(value, dict) and (
        ("role" in value and ("content" in value or "tool_calls" in value))
        or ("from" in value and "value" in value)
    )


def is_column(name: str) -> bool:
    """Whether people call a column so, in lower case: known here, or elsewhere."""
    return name in KNOWN or name in _LETTERS or name in _FOREIGN_NAMES


def is_label(value: Any) -> bool:
    """A number, one word, an id, a link, a date: nothing that anybody says."""
    if isinstance(value, str):
        if len(value.split()) > 1:
            return not any(map(str.isalpha, value))
        return len(value) <= (200 if value.isascii() else 8)
    if isinstance(value, (list, tuple)):
        return all(map(is_label, value))
    if isinstance(value, Mapping):
        return all(map(is_label, value.values()))
    return True
