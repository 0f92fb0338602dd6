"""Which language the words come in: `--lang`, else SURETUNE_LANG, else the locale."""

from __future__ import annotations

import os
from typing import Literal

from suretune.types import Text

Language = Literal["en", "zh"]
_chosen: list[Language] = []


def choose(language: str | None) -> None:
    """Fix the language of this process; None leaves it to the environment."""
    _chosen.clear()
    if language:
        _chosen.append("zh" if language.lower().startswith("zh") else "en")


def language() -> Language:
    if _chosen:
        return _chosen[0]
    names = ("SURETUNE_LANG", "LC_ALL", "LC_MESSAGES", "LANG")
    wish = next((value for name in names if (value := os.environ.get(name))), "en")
    return "zh" if wish.lower().startswith("zh") else "en"


def say(text: Text) -> str:
    return text.zh if language() == "zh" else text.en
