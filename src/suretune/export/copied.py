"""What every export takes over as it is: the tokenizer, the template, where answers end."""

from __future__ import annotations

import shutil
from pathlib import Path

from suretune.data.template import FILES
from suretune.export.door import Carried


def copy_words(carried: Carried, folder: Path) -> None:
    """Tokenizer and template as they were trained with: the adapter's where it has them, else the
    base's."""
    for name in (*FILES, "generation_config.json"):
        for place in (carried.adapter, carried.base.folder):
            if (place / name).is_file():
                shutil.copyfile(place / name, folder / name)
                break
    (folder / "chat_template.jinja").write_text(carried.tokenizer.template, encoding="utf-8")
