"""`--train_type full`: the base's own weights learn, all of them or those that are named.

What is learned is kept in float32 while it is trained, whatever it is computed in: an update of a
rate that does not ruin a model is smaller than half a unit in the last place of bfloat16, and would
be lost.
"""

from __future__ import annotations

from suretune.tuning.door import Tuner

MASTER = 4  # bytes of the value that the optimizer moves
STATES = 3 * MASTER  # of its gradient and its two moments


def learned_bytes(bytes_each: float) -> float:
    """Bytes of a learned value, beside the one that is computed with where that is narrower."""
    return STATES + (MASTER if bytes_each < MASTER else 0)


FULL = Tuner("full", "", lambda bytes_each: bytes_each, learned_bytes)
