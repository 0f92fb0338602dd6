"""What the server tells clients and its log, in the language in which it was started.

The sentences stand in English where they are said; chinese.txt has each again in Chinese, a line
below it, with `{}` for what is filled in.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

from suretune.words import language


def spoken(said: str) -> str:
    """A sentence as it is in English; in Chinese that sentence, and what was filled into it."""
    if language() != "zh":
        return said
    for english, chinese in known():
        if found := english.fullmatch(said):
            parts = [spoken(part) if part != said else part for part in found.groups()]
            return chinese.format(*parts) if parts else chinese
    return said


@cache
def known() -> tuple[tuple[re.Pattern[str], str], ...]:
    """(English as a pattern, Chinese), those with the longest words of their own first."""
    lines = files("suretune.serve").joinpath("chinese.txt").read_text("utf-8").splitlines()
    pairs = sorted(zip(lines[::2], lines[1::2], strict=True), key=lambda pair: -len(pair[0]))
    return tuple(
        (re.compile(re.escape(english).replace(r"\{\}", "(.+?)"), re.DOTALL), chinese)
        for english, chinese in pairs
    )
