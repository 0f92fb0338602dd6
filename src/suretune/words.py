"""Which language the words come in: a call's, else `--lang`, SURETUNE_LANG, LANGUAGE, the locale.

`choose` is for the process: threads that a server starts speak as it does. `speaking` is for what
runs inside it, on one thread, and wins: two runs of one process may speak two languages.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal

from suretune.types import Text

Language = Literal["en", "zh"]
CHINESE, ENGLISH = ("zh", "cn", "chinese", "中文", "简体中文"), ("en", "english", "英文")
VARIABLE = "SURETUNE_LANG"
_chosen: list[Language] = []
_here: ContextVar[Language | None] = ContextVar("language", default=None)


def choose(language: str | None) -> None:
    """Fix the language of this process; None, or one that is neither, leaves it to the
    environment."""
    _chosen.clear()
    if found := known_language(language or ""):
        _chosen.append(found)


@contextmanager
def speaking(language: Language | None) -> Iterator[None]:
    """Inside, on this thread, this language; None changes nothing. ValueError for any other."""
    if language not in (None, "en", "zh"):
        raise ValueError(f"language is 'en', 'zh' or None, not {language!r}")
    before = _here.set(language or _here.get())
    try:
        yield
    finally:
        _here.reset(before)


def language() -> Language:
    """As `speaking` says here, or as chosen; else the first of the environment's wishes that is
    Chinese or English.

    LANGUAGE is a list, and counts where LANG is C.UTF-8, too: images of machines for rent have it
    so. A locale that is neither language, C among them, means English.
    """
    if (here := _here.get()) is not None:
        return here
    if _chosen:
        return _chosen[0]
    wishes = [wish(), *os.environ.get("LANGUAGE", "").split(":")]
    for one in wishes:
        if found := known_language(one):
            return found
    names = ("LC_ALL", "LC_MESSAGES", "LANG")
    return (
        known_language(next((value for name in names if (value := os.environ.get(name))), ""))
        or "en"
    )


def chosen() -> Language | None:
    """The language that `choose` was told; None where the environment decides."""
    return _chosen[0] if _chosen else None


def wish() -> str:
    """What the variable that is suretune's own asks for; it may be a language that is not known."""
    return os.environ.get(VARIABLE, "")


def known_language(name: str) -> Language | None:
    """`zh_CN.UTF-8`, `zh-Hans`, `cn`, `Chinese`: the language alone; None if it is neither."""
    name = name.strip().lower().replace("-", "_").partition(".")[0].partition("_")[0]
    if name in CHINESE:
        return "zh"
    return "en" if name in ENGLISH else None


def say(text: Text) -> str:
    """The text in the language of this process."""
    return text.zh if language() == "zh" else text.en
