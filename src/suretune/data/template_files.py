"""The files that a tokenizer and its template are read from, and what is said of those that are
missing or cannot be read."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import orjson

from suretune.because import in_words
from suretune.data.base import is_pointer, not_whole, pointed
from suretune.data.vocabulary import read_bounded
from suretune.facts import SetupFacts
from suretune.types import Text

MOST_TEMPLATE = 4 << 20  # bytes


def incomplete(folder: Path, found: Text) -> SetupFacts:
    """A tokenizer that cannot be read: its file may be a pointer to the real one."""
    for name in ("tokenizer.json", "tokenizer_config.json"):
        if is_pointer(folder / name):
            return pointed(folder / name)
    return not_whole(folder, _tokenizer(found))


def _tokenizer(found: Text) -> Text:
    return Text(f"tokenizer: {found.en}", f"分词器：{found.zh}")


def no_file(
    folder: Path, config: dict[str, Any], asked: str, error: OSError | ValueError
) -> SetupFacts:
    """A template that was asked for and cannot be read; `nearest` is the one that the model has."""
    return SetupFacts("no-chat-template", asked, in_words(error), own_template(folder, config))


def own_template(folder: Path, config: dict[str, Any]) -> str:
    """Where a model's own template stands; empty if it has none that can be read."""
    try:
        template, file = template_in(folder, config, None)
    except (OSError, ValueError):
        return ""
    return file if template else ""


def day_of(about: Path) -> date | None:
    """The day that an adapter of ours was trained to see in its prompts, if it is one."""
    told = orjson.loads(read_bounded(about)).get("day") if about.is_file() else None
    return None if told is None else date.fromisoformat(told)


def template_in(folder: Path, config: dict[str, Any], file: str | None) -> tuple[str, str]:
    """The template, and the file that it stands in."""
    beside = folder / "chat_template.jinja"
    if file or beside.is_file():
        path = Path(file or beside)
        return read_bounded(path, MOST_TEMPLATE).decode("utf-8"), str(path)
    inside = config.get("chat_template") or ""
    if isinstance(inside, list):  # [{name, template}, ...] of tokenizers with several
        named = [item for item in inside if isinstance(item, dict)]
        inside = next((n.get("template") for n in named if n.get("name") == "default"), "")
    if not isinstance(inside, str) or len(inside) > MOST_TEMPLATE:
        raise ValueError("tokenizer_config.json: chat_template")
    return inside, str(folder / "tokenizer_config.json")
