"""How a reader gives up on a whole file, and how foreign text is put into a sentence."""

from __future__ import annotations

from typing import Any

import orjson

from suretune.types import Fault


class Refused(Exception):
    """Raised inside `data/` only; `read_rows` and `to_example` hand its fault back as a value."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.kind)
        self.fault = fault


def shown(value: Any, limit: int = 60) -> str:
    """The value on one line, at most `limit` characters long, safe to print on a terminal.

    Control characters, ANSI sequences and direction marks come out as escapes.
    """
    if isinstance(value, str):
        text = value
    else:
        try:
            text = orjson.dumps(value).decode()
        except TypeError:
            text = repr(value)
    if len(text) > limit:
        text = text[: limit - 1] + "…"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def around(text: str, at: int, reach: int = 16) -> str:
    """The characters on both sides of `at`, as `shown`."""
    start, end = max(0, at - reach), min(len(text), at + reach)
    return ("…" if start else "") + shown(text[start:end]) + ("…" if end < len(text) else "")


def printable(name: str) -> str:
    """A file's name as text that can be printed and written: bytes that are not UTF-8 come out as
    escapes (`\\xd1`), everything else stays."""
    try:
        return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # half a character, which no file system has given
        return name.encode("utf-8", "backslashreplace").decode()
