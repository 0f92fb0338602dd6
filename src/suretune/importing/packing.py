"""A base in 4 bits: other tools ask for it beside the way to train, here it is a way to train."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from suretune.importing.translation import DEFAULT, Line, Translation
from suretune.types import Text

WHY = Text(
    "Of adapters beside a packed base suretune speaks as `qlora`.",
    "在压缩过的原模型旁训练适配器，suretune 称为 `qlora`。",
)


def packed_already(made: Translation, line: Line, values: Sequence[str]) -> bool:
    """Whether this is the `lora` of a command whose 4 bits came first; its line is told then."""
    if [value.lower() for value in values] != ["lora"] or made.given.get("tuner") != ("qlora",):
        return False
    made.lines.append(replace(line, verdict=DEFAULT, why=WHY))
    return True
