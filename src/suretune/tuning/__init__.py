"""Ways to train, one file each, and what each does to the base before: no torch is needed to ask.

A new one is a file with its `Tuner` and a line of the table. How its numbers are computed with is
said in `model/`, by the name of its packing.
"""

from __future__ import annotations

from collections.abc import Mapping

from suretune.tuning.door import Tuner
from suretune.tuning.full import FULL
from suretune.tuning.lora import LORA
from suretune.tuning.qlora import QLORA

TUNERS: Mapping[str, Tuner] = {one.name: one for one in (LORA, QLORA, FULL)}


def packing_bytes(packed: str, bytes_each: float) -> float:
    """Bytes of a value of the base's linear layers, so packed, in a run of `bytes_each` a value.

    KeyError for a packing that no way to train has.
    """
    return {one.packed: one for one in TUNERS.values()}[packed].weight_bytes(bytes_each)
