"""Arguments of the calls: what is none of the kind that they take is refused before all else."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from numbers import Number
from os import PathLike
from typing import Any

from suretune.events import Listener
from suretune.refusal import Refusal
from suretune.speak.question import no_question
from suretune.types import Message, Text
from suretune.words import say

PATH = Text("a text or a path", "文本或路径")
VALUE = Text("a text, a number or a path", "文本、数字或路径")
VALUES = Text(f"{VALUE.en}, or a list of these", f"{VALUE.zh}，或它们的列表")
ROWS = ("dataset", "val_dataset", "general")
FILES = Text(
    "the name of a file, a folder or a dataset on a hub, or a list of these (rows in memory are"
    " written to a file first, a JSON object a line)",
    "文件、文件夹或下载站数据集的名字，或它们的列表"
    "（内存里的数据要先写成文件，每行一个 JSON 对象）",
)
LISTENERS = Text("a list of objects with `on(event)`", "带 `on(event)` 的对象的列表")
TALK = Text(
    "a question, or a list of messages with the texts `role` and `content`",
    "一个问题，或一列消息，每条都有文本 `role` 和 `content`",
)


def path_of(value: object, name: str) -> str:
    """A path as a text."""
    if not isinstance(value, (str, PathLike)):
        raise _wrong(name, PATH, value)
    return os.fsdecode(value)


def values_of(value: object, name: str, *, many: bool) -> Sequence[Any]:
    """What an option is given, one by one. Whether it takes that is found where it is read."""
    several = many and isinstance(value, (list, tuple, set, frozenset))
    values: Sequence[Any] = list(value) if several else [value]  # type: ignore[call-overload]
    return [_value_of(one, name, VALUES if many else VALUE) for one in values]


def _value_of(value: Any, name: str, takes: Text) -> Any:
    if isinstance(value, (str, Number, PathLike)):
        return value
    # A device, a precision, or a number of an array.
    if type(value).__module__ in ("torch", "numpy") and not getattr(value, "shape", ()):
        return value.item() if hasattr(value, "item") else str(value).removeprefix("torch.")
    raise _wrong(name, FILES if name in ROWS else takes, value)


def listeners_of(given: object) -> tuple[Listener, ...]:
    """Each has `on(event)`."""
    if not isinstance(given, Iterable):
        raise _wrong("listeners", LISTENERS, given)
    listeners = tuple(given)
    for one in listeners:
        if not callable(getattr(one, "on", None)):
            raise _wrong("listeners", LISTENERS, one)
    return listeners


def talk_of(given: object) -> str | tuple[Message, ...]:
    """A question or a conversation. Raises Refusal for one that says nothing, or no text."""
    talk: str | tuple[Message, ...]
    if isinstance(given, str):
        talk = said = given
    elif isinstance(given, Iterable) and not isinstance(given, (bytes, bytearray, Mapping)):
        talk = tuple(map(_message, given))
        said = " ".join(one.content for one in talk)
    else:
        raise _wrong("talk", TALK, given)
    if (facts := no_question(said)) is not None:
        raise Refusal(facts)
    return talk


def _message(given: Any) -> Message:
    told: Any = given
    if isinstance(given, Mapping):
        role: Any = given.get("role")
        content: Any = given.get("content")
        told = Message(role, content)
    if not isinstance(told, Message):
        raise _wrong("talk", TALK, given)
    for text in (told.role, told.content):
        if not isinstance(text, str):
            raise _wrong("talk", TALK, text)
    return told


def _wrong(name: str, takes: Text, value: object) -> TypeError:
    kind = type(value).__name__
    told = Text(
        f"`{name}` takes {takes.en}; this is `{kind}`.",
        f"`{name}` 接受{takes.zh}；这里给的是 `{kind}`。",
    )
    return TypeError(say(told))
