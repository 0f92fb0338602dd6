"""How kernels are cut for the card that is there: by the shared memory that one block may have.

No triton here: what is chosen can be looked at without it. What a tile needs is told by a formula
that benchmarks/results/kernels_ahead.json holds to what Triton's compiler makes for each card.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import torch

KIB = 1024
# Bytes of shared memory that a block may have, by compute capability (CUDA's programming guide).
CARDS = {80: 163 * KIB, 86: 99 * KIB, 89: 99 * KIB, 90: 227 * KIB, 120: 99 * KIB}
FEW, MANY = 1, 16  # rows that a product is compiled for
LEAST = 32  # inputs of a program at once


class Tile(NamedTuple):
    """How a product is cut: outputs and inputs of a program at once, its warps and stages."""

    n: int
    k: int
    warps: int
    stages: int

    def shared(self, rows: int, size: int) -> int:
        """Bytes of shared memory: all stages but one of weights and rows, of `size` bytes each."""
        columns = self.n + (FEW if rows == FEW else MANY)
        return (self.stages - 1) * columns * self.k * size


@lru_cache
def room_of(device: torch.device) -> int:
    """Bytes of shared memory that a block may have on this card, as Triton asks it."""
    from triton.runtime import driver

    about = driver.active.utils.get_device_properties(device.index or 0)
    return int(about["max_shared_mem"])


def tile_for(
    rows: int,
    n: int,
    size: int,
    room: int,
) -> Tile:
    """The fastest of `benchmarks/engine_decode.py --sweep` on an H200 for the 7B shape in bfloat16,
    in fewer stages and then narrower where the card has no `room` for values of `size` bytes."""
    if rows == FEW:
        tile = Tile(8, 512, 4, 3)
    elif n < 2**12:
        tile = Tile(32, 256, 4, 4)
    else:
        tile = Tile(16, 128, 2, 4) if n < 2**13 else Tile(64, 128, 4, 3)
    while tile.shared(rows, size) > room and tile.stages > 2:
        tile = tile._replace(stages=tile.stages - 1)
    while tile.shared(rows, size) > room and tile.k > LEAST:
        tile = tile._replace(k=tile.k // 2)
    return tile
