"""Tokens that only a template may write, found in the text of a row: named, or taken out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from suretune.data.rendered import end_mark, head_mark, without_marks
from suretune.data.template import ChatTokenizer
from suretune.types import Example, Fault, Text


def role_tokens(tokenizer: ChatTokenizer, text: str) -> list[str]:
    """Control tokens that stand in plain text."""
    return [token for token in tokenizer.special if token in text]


def cleaned(
    example: Example,
    tokenizer: ChatTokenizer,
    strip: bool,
) -> Example | Fault:
    """The example without role tokens in its text, or the fault that names them; `strip`: they are
    taken out."""
    marked = _marked_field(example, tokenizer)
    if marked is None:
        return example
    field, found, hint = marked
    if not strip:
        return Fault(
            "role-tokens",
            example.origin,
            field=field,
            found=found,
            hint=hint,
        )
    stripped = tuple(
        replace(
            m,
            content=without_role_tokens(tokenizer, without_marks(m.content)),
            extra=_stripped(tokenizer, m.extra),
        )
        for m in example.messages
    )
    for message in stripped:
        if message.role in ("user", "assistant") and not message.content and not message.extra:
            nothing = Text(
                "nothing is left once the role tokens are taken out",
                "去掉角色标记之后什么也不剩",
            )
            return Fault(
                "empty-answer",
                example.origin,
                field=message.role,
                hint=nothing,
            )
    tools = tuple(_stripped(tokenizer, tool) for tool in example.tools)
    return replace(example, messages=stripped, tools=tools)


def _marked_field(example: Example, tokenizer: ChatTokenizer) -> tuple[str, str, Text] | None:
    """(field, token, what to do) of the first text with a token in it that only templates write."""
    for message in example.messages:  # what a template takes besides the content, too
        beside = str(dict(message.extra)) if message.extra else ""
        if found := role_tokens(tokenizer, message.content + beside):
            return message.role, found[0], SPOKEN_OF
        if mark := end_mark(message.content):
            return message.role, mark, END
        if mark := head_mark(message.content):
            return message.role, mark.strip(), HEAD
    beside = str(example.tools) if example.tools else ""
    if found := role_tokens(tokenizer, beside):
        return "tools", found[0], SPOKEN_OF
    return None


def _stripped(tokenizer: ChatTokenizer, value: Any) -> Any:
    """The same with role tokens taken out of every text, however deep."""
    if isinstance(value, str):
        return without_role_tokens(tokenizer, value) if role_tokens(tokenizer, value) else value
    if isinstance(value, Mapping):
        return {name: _stripped(tokenizer, item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_stripped(tokenizer, item) for item in value]
    return value


SPOKEN_OF = Text(
    "Where a text speaks about it, write it with a blank inside, so that it stays text.",
    "如果文本讲的就是这个标记，请在中间加一个空格，它就只是文字。",
)
END = Text(
    "It ends turns in the template of some model, which this text was written with: the model "
    "would learn to type it. Where a text speaks about it, put it in backquotes.",
    "它是某种模板的结束符，说明这段文本按那种模板写成：模型会学着把它打出来。"
    "如果文本讲的就是这个标记，请给它加上反引号。",
)

HEAD = Text(
    "It begins turns in the template of some model, which this text was written with. Where a text "
    "speaks about it, put it in backquotes.",
    "它是某种模板里一轮对话的开头，说明这段文本按那种模板写成。"
    "如果文本讲的就是这个标记，请给它加上反引号。",
)


def without_role_tokens(tokenizer: ChatTokenizer, text: str) -> str:
    """The text with control tokens, and the role names and line ends they bring, taken out."""
    tokens = "|".join(re.escape(token) for token in sorted(tokenizer.special, key=len)[::-1])
    header = rf"(?:{tokens})(?:(?:system|user|assistant|tool)(?:(?:{tokens})|\\?\n|\\n|(?=\s)))?"
    while (shorter := re.sub(header, "", text)) != text:  # what is left may form another one
        text = shorter
    return text.strip()
