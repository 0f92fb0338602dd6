"""`{{NAME}}` and `{{AUTHOR}}` in identity rows, filled with what the user calls the model."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from suretune.data.refusal import shown
from suretune.types import Example, Fault, Message, Text

_KNOWN = re.compile(
    r"\{\{\s*(NAME|AUTHOR)\s*\}\}"
    r"|(?<!\{)\{\{\s*(name|author)\s*\}\}(?!\})"
    r"|<(NAME|AUTHOR)>"
)
# `{{ name }}` is also Jinja and `<NAME>` a manual page: in a text with code they are left alone.
_CODE = re.compile(r"`|\{%|</|/>|^\s*(?:\$|usage:)|\}\}\s*\|", re.MULTILINE | re.IGNORECASE)
# Another one that somebody was meant to fill. Braces that follow a letter, \, $, =, ^, _ or a brace
# are LaTeX, BibTeX or a template language.
_UNKNOWN = re.compile(r"(?<![A-Za-z0-9\\$={}^_])(?<!=\s)\{\{\s*[A-Z][A-Z0-9_]+\s*\}\}(?!\})")
# One brace is a placeholder of other tools; here it would be trained as it stands.
_SINGLE = re.compile(r"(?<![\w${\\])\{((?:model_?)?name|(?:model_?)?author)\}(?!\})", re.IGNORECASE)
_SINGLE_NAMES = {
    **dict.fromkeys(("name", "model_name", "modelname"), "{{NAME}}"),
    **dict.fromkeys(("author", "model_author", "modelauthor"), "{{AUTHOR}}"),
}
_CHINESE = re.compile(r"[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_FLAGS = {"NAME": "--model_name", "AUTHOR": "--model_author"}
_FILLED_EXTRAS = ("reasoning_content", "thinking")


@dataclass(frozen=True, slots=True)
class Names:
    """What `--model_name` and `--model_author` gave: nothing, one for both, or zh then en."""

    model_name: tuple[str, ...]
    model_author: tuple[str, ...]


def fill(example: Example, names: Names) -> tuple[Example, frozenset[str]] | Fault:
    """The example with its placeholders filled, and which of NAME and AUTHOR it had."""
    texts = "\0".join(text for message in example.messages for text in _texts(message))
    if "{{" not in texts and "<" not in texts:
        return example, frozenset()
    chinese = any(_CHINESE.search(m.content) for m in example.messages)
    values = {
        "NAME": _in_language(names.model_name, chinese),
        "AUTHOR": _in_language(names.model_author, chinese),
    }
    filled: set[str] = set()
    messages = []
    for message in example.messages:
        for text in _texts(message):
            if left := _unresolved(text, values):
                return _fault(example, message, left)
        extra: Mapping[str, Any] = {
            key: _put(value, values, filled) if key in _FILLED_EXTRAS else value
            for key, value in message.extra.items()
        }
        messages.append(
            replace(message, content=_put(message.content, values, filled), extra=extra)
        )
    if not filled:
        return example, frozenset()
    return replace(example, messages=tuple(messages)), frozenset(filled)


@dataclass(frozen=True, slots=True)
class Unfilled:
    """A placeholder that nothing was given for, and what would mend it."""

    left: str
    why: Text


def fill_prompt(
    texts: Sequence[str], names: Names, *, strict: bool = False
) -> tuple[list[str], frozenset[str]] | Unfilled:
    """The texts of one prompt or probe filled as a row is, and which of NAME and AUTHOR they had.

    All are filled in one language: Chinese if one of them has Chinese characters. `strict`: what
    other tools write with one brace is one that nothing fills.
    """
    whole = "\0".join(texts)
    if "{" not in whole and "<" not in whole:
        return list(texts), frozenset()
    chinese = bool(_CHINESE.search(whole))
    values = {
        "NAME": _in_language(names.model_name, chinese),
        "AUTHOR": _in_language(names.model_author, chinese),
    }
    for text in texts:
        if left := _unresolved(text, values):
            return Unfilled(left, _advice(left, Text("", "")))
        if strict and (single := _SINGLE.search(text)) and not _CODE.search(text):
            which = _SINGLE_NAMES[single[1].lower()]
            return Unfilled(
                single[0],
                Text(
                    f"A placeholder has two braces: write {which}, and give its flag.",
                    f"占位符用双花括号：请写成 {which}，并给出对应的参数。",
                ),
            )
    filled: set[str] = set()
    return [_put(text, values, filled) for text in texts], frozenset(filled)


def _texts(message: Message) -> list[str]:
    return [message.content, *(message.extra[k] for k in _FILLED_EXTRAS if k in message.extra)]


def _in_language(given: tuple[str, ...], chinese: bool) -> str:
    return "" if not given else given[0] if chinese else given[-1]


def _which(match: re.Match[str], text: str) -> str:
    """NAME or AUTHOR; '' for a match that is code."""
    plain, lower, angled = match.groups()
    if not plain and _CODE.search(text):
        return ""
    return str(plain or angled or lower.upper())


def _put(text: str, values: Mapping[str, str], filled: set[str]) -> str:
    def value(match: re.Match[str]) -> str:
        which = _which(match, text)
        if not which:
            return match.group()
        filled.add(which)
        return values[which]

    return _KNOWN.sub(value, text)


def _unresolved(text: str, values: Mapping[str, str]) -> str:
    """The first placeholder that nothing was given for."""
    for match in _KNOWN.finditer(text):
        if (which := _which(match, text)) and not values[which]:
            return match.group()
    others = (m.group() for m in _UNKNOWN.finditer(text) if not _KNOWN.fullmatch(m.group()))
    return next(others, "")


def _advice(found: str, where: Text) -> Text:
    """What fills a placeholder; `where` it would have to be written out."""
    flag = _FLAGS.get(found.strip("{}<> \t\n").upper())
    if flag:
        return Text(
            f"Give `{flag}`, or write the text out{where.en}.",
            f"请用 `{flag}` 指定，或直接{where.zh}写好。",
        )
    return Text(
        f"Only {{{{NAME}}}} and {{{{AUTHOR}}}} are filled in; write this one out{where.en}.",
        f"只会自动填写 {{{{NAME}}}} 和 {{{{AUTHOR}}}}；请{where.zh}把这一处写好。",
    )


def _fault(example: Example, message: Message, found: str) -> Fault:
    return Fault(
        "unresolved-placeholder",
        example.origin,
        field=message.role,
        found=shown(found),
        hint=_advice(found, Text(" in the file", "在文件里")),
    )
