"""Rows that are whole by their shape and would teach what nobody wants: questions about pictures
that the model never gets, and answers that a limit of tokens or a program cut off or left out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from suretune.data.blank import is_left_over
from suretune.data.marks import NOT_SEEN
from suretune.data.media import media_in
from suretune.data.refusal import shown
from suretune.data.thinking import stops_thinking
from suretune.types import Example, Fault, Message, Text

NO_MEDIA_HERE = Text(
    f"{NOT_SEEN.en} Where the text only speaks about such a mark, write it between backticks.",
    f"{NOT_SEEN.zh}如果文本只是讲到这种标记，请用反引号把它括起来。",
)
ONLY_THOUGHT = Text(
    "There is a thought and no answer behind it, as where a limit of tokens cut it off. Have it "
    "made anew with a higher limit, or delete the row.",
    "只有思考过程，后面没有回答，多半是生成时到了 token 上限而被截断。"
    "请提高上限重新生成，或删掉这条数据。",
)


def unteachable(value: Mapping[str, Any], example: Example) -> Fault | None:
    """Why the example of a row is not to be learned; None for all others."""
    return _without_answer(value, example) or _with_media(value, example)


def _without_answer(value: Mapping[str, Any], example: Example) -> Fault | None:
    asked = any("<think" in said.content for said in example.messages if said.role == "user")
    for said in example.messages:
        hint = _in_place_of_answer(said, asked)
        if hint is None or not said.weight:
            continue
        return Fault(
            "empty-answer",
            example.origin,
            field=place_of(value, said.content) or "messages",
            found=f'"{shown(said.content)}"',
            hint=hint,
        )
    return None


def _in_place_of_answer(said: Message, asked: bool) -> Text | None:
    if said.role not in ("assistant", "text"):
        return None
    if said.role == "assistant" and stops_thinking(said, asked):
        return ONLY_THOUGHT
    return _left_over(said.content.strip()) if is_left_over(said.content) else None


def _left_over(text: str) -> Text:
    return Text(
        f"Programs write `{text}` where there is no value. Write the answer or delete the row; "
        "where it is the answer, say it in a sentence.",
        f"没有值的地方，程序会写成 `{text}`。请补上回答，或删掉这条数据；"
        "如果它就是回答，请写成一句话。",
    )


def _with_media(value: Mapping[str, Any], example: Example) -> Fault | None:
    asked = (message.content for message in example.messages if message.role == "user")
    token = next(filter(None, map(media_in, asked)), "")
    if not token:
        return None
    return Fault(
        "wrong-type",
        example.origin,
        field=place_of(value, token) or "messages",
        found=shown(token),
        hint=NO_MEDIA_HERE,
    )


def place_of(value: Any, text: str, path: str = "") -> str:
    """The field of a row in which this text stands, as faults name fields; '' where none has it."""
    if isinstance(value, str):
        return path if text in value else ""
    inside: list[tuple[str, Any]] = []
    if isinstance(value, Mapping):
        inside = [(f"{path}.{name}" if path else str(name), held) for name, held in value.items()]
    elif isinstance(value, list):
        inside = [(f"{path}[{index}]", held) for index, held in enumerate(value)]
    found = (place_of(held, text, name) for name, held in inside)
    return next(filter(None, found), "")
