"""What every export takes over as it is: the tokenizer, the template, where answers end."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from suretune import rundir
from suretune.data.template import FILES
from suretune.export.door import Carried

ENDS = "generation_config.json"


def copy_words(carried: Carried, folder: Path) -> None:
    """Tokenizer and template as they were trained with: the adapter's where it has them, else the
    base's. Where answers were trained to end stands where other programs look for it."""
    for name in (*FILES, ENDS):
        if (found := _file(carried, name)) is not None:
            shutil.copyfile(found, folder / name)
    if not ends_are_told(carried):
        told = rundir.read_json(folder / ENDS) if (folder / ENDS).is_file() else {}
        ends = sorted(carried.tokenizer.stop_ids)
        rundir.write_json(folder / ENDS, {**told, "eos_token_id": ends})
    (folder / "chat_template.jinja").write_text(carried.tokenizer.template, encoding="utf-8")


def ends_are_told(carried: Carried) -> bool:
    """Whether the base's own files name every token at which an answer ends."""
    path = carried.base.folder / ENDS
    told: Any = rundir.read_json(path) if path.is_file() else carried.base.config
    ends = told.get("eos_token_id")
    named = set(ends if isinstance(ends, list) else [] if ends is None else [ends])
    return carried.tokenizer.stop_ids <= named


def has_own_words(carried: Carried) -> bool:
    """Whether the adapter has another tokenizer than its base."""
    found, base = _file(carried, "tokenizer.json"), carried.base.folder / "tokenizer.json"
    return found is not None and found != base and found.read_bytes() != base.read_bytes()


def has_own_template(carried: Carried) -> bool:
    """Whether it was trained with another template than the base's own files have."""
    path = carried.base.folder / "chat_template.jinja"
    return not path.is_file() or path.read_text(encoding="utf-8") != carried.tokenizer.template


def _file(carried: Carried, name: str) -> Path | None:
    for place in (carried.adapter, carried.base.folder):
        if (place / name).is_file():
            return place / name
    return None
