"""`--train_type full`: the base's own weights learn, all of them or those that are named.

What is learned is kept in float32 while it is trained, whatever it is computed in: an update of a
rate that does not ruin a model is smaller than half a unit in the last place of bfloat16, and would
be lost.
"""

from __future__ import annotations

from collections.abc import Mapping

from suretune.tuning.door import Tuner

MASTER = 4  # bytes of the value that the optimizer moves, and of its gradient
MOMENTS = 2 * MASTER  # of its two moments, as torch's AdamW has them
MOMENTS_8BIT = 2 * (1 + MASTER / 256)  # of both in 8 bits, with their share of a block's scale
ADAMW, ADAMW_8BIT = "adamw_torch", "adamw_8bit"  # of `--optim`
FEW = 4096  # numbers of a tensor whose moments are too few to be worth packing


def learned_bytes(bytes_each: float, moments: float = MOMENTS) -> float:
    """Bytes of a learned value, beside the one that is computed with where that is narrower.
    moments: of its two moments."""
    return MASTER + moments + (MASTER if bytes_each < MASTER else 0)


def has_8bit_moments(name: str, count: int) -> bool:
    """Whether `adamw_8bit` packs the moments of the tensor of this name and of so many numbers:
    not of a small one, nor of an embedding, as Dettmers et al. 2022 (arXiv 2110.02861) advise."""
    return count >= FEW and "embed" not in name


def moments_bytes(optim: str, sizes: Mapping[str, int]) -> float:
    """Bytes of a learned value's two moments, on average over tensors with so many numbers."""
    every = sum(sizes.values())
    if optim != ADAMW_8BIT or not every:
        return MOMENTS
    packed = sum(count for name, count in sizes.items() if has_8bit_moments(name, count))
    return (packed * MOMENTS_8BIT + (every - packed) * MOMENTS) / every


FULL = Tuner("full", "", lambda bytes_each: bytes_each, learned_bytes)
