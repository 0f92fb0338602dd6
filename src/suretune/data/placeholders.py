"""`{{NAME}}` and `{{AUTHOR}}` in identity rows, filled with what the user calls the model."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from suretune.data.refusal import shown
from suretune.types import Example, Fault, Text

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
_CALLS = ("tool_calls", "tools")
_FLAGS = {"NAME": "--model_name", "AUTHOR": "--model_author"}


@dataclass(frozen=True, slots=True)
class Names:
    """What `--model_name` and `--model_author` gave: nothing, one for both, or zh then en."""

    model_name: tuple[str, ...]
    model_author: tuple[str, ...]


def fill(example: Example, names: Names) -> tuple[Example, frozenset[str]] | Fault:
    """The example with its placeholders filled, and which of NAME and AUTHOR it had."""
    said: list[tuple[str, Any]] = [(m.role, [m.content, m.extra]) for m in example.messages]
    said.append(("tools", {"tools": example.tools}))
    texts = "\0".join(text for _, one in said for text in _texts(one))
    if "{{" not in texts and "<" not in texts:
        return example, frozenset()
    chinese = any(_CHINESE.search(m.content) for m in example.messages)
    values = {
        "NAME": _in_language(names.model_name, chinese),
        "AUTHOR": _in_language(names.model_author, chinese),
    }
    filled: set[str] = set()
    for where, one in said:
        for text in _texts(one):
            if left := _unresolved(text, values):
                return _fault(example, where, left)
    messages = tuple(
        replace(
            message,
            content=_put(message.content, values, filled),
            extra=_put_all(message.extra, values, filled),
        )
        for message in example.messages
    )
    tools = tuple(_put_all(tool, values, filled, True) for tool in example.tools)
    if not filled:
        return example, frozenset()
    return replace(example, messages=messages, tools=tools), frozenset(filled)


@dataclass(frozen=True, slots=True)
class Unfilled:
    """A placeholder that nothing was given for, and what would mend it."""

    left: str
    why: Text


def fill_prompt(
    texts: Sequence[str],
    names: Names,
    *,
    strict: bool = False,
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


def _texts(value: Any, inside: bool = False) -> Iterator[str]:
    """Every text that may have a placeholder. Inside of calls and tools these have braces: there
    `<NAME>` is how descriptions and letters to be filled in by somebody else are written."""
    if isinstance(value, str):
        if "{{" in value or not inside:
            yield value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _texts(str(key), True)
            yield from _texts(item, inside or key in _CALLS)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _texts(item, inside)


def _in_language(given: tuple[str, ...], chinese: bool) -> str:
    return "" if not given else given[0] if chinese else given[-1]


def _which(match: re.Match[str], text: str) -> str:
    """NAME or AUTHOR; '' for a match that is code."""
    plain, lower, angled = match.groups()
    if not plain and _CODE.search(text):
        return ""
    return str(plain or angled or lower.upper())


def _put(
    text: str,
    values: Mapping[str, str],
    filled: set[str],
) -> str:
    def value(match: re.Match[str]) -> str:
        which = _which(match, text)
        if not which:
            return match.group()
        filled.add(which)
        return values[which]

    return _KNOWN.sub(value, text)


def _put_all(
    value: Any,
    values: Mapping[str, str],
    filled: set[str],
    inside: bool = False,
) -> Any:
    """The same of every text that `_texts` gives."""
    if isinstance(value, str):
        return _put(value, values, filled) if "{{" in value or not inside else value
    if isinstance(value, Mapping):
        return {
            _put_all(key, values, filled, True): _put_all(
                item, values, filled, inside or key in _CALLS
            )
            for key, item in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [_put_all(item, values, filled, inside) for item in value]
    return value


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


def _fault(example: Example, where: str, found: str) -> Fault:
    return Fault(
        "unresolved-placeholder",
        example.origin,
        field=where,
        found=shown(found),
        hint=_advice(found, Text(" in the file", "在文件里")),
    )
