"""Numbers in 8 bits, block by block: what the moments of an optimizer are kept in.

After Dettmers et al. 2022, "8-bit Optimizers via Block-wise Quantization" (arXiv 2110.02861): each
block of 256 numbers has its largest magnitude in float32, and of each number the nearest of 256
levels, of which there are as many in every power of ten as its weight deserves. A number that is
off by much spoils its block alone.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

BLOCK = 256  # numbers with one scale
DECADES = 7  # powers of ten below the largest that have levels of their own


def levels(*, signed: bool) -> Tensor:
    """(256,) float32 between -1, or 0, and 1, ascending: a dynamic map.

    Of the numbers from a tenth to one as many equal parts as bits are left, of those of every
    smaller power of ten half as many, and the middle of each part; besides 0 and 1.
    """
    found = [0.0, 1.0]
    for decade in range(DECADES):
        parts = (64 if signed else 128) >> decade
        for part in range(parts):
            middle = (0.1 + 0.9 * (part + 0.5) / parts) * 10.0**-decade
            found += [middle, -middle] if signed else [middle]
    return torch.tensor(sorted(found), dtype=torch.float64).float()


class Blockwise:
    """To 8 bits and back, on one device.

    Without a sign nothing but zero becomes zero: a second moment that did would leave the first one
    to be divided by next to nothing.
    """

    def __init__(self, device: torch.device, *, signed: bool) -> None:
        known = levels(signed=signed)
        between = (known[1:] + known[:-1]) / 2
        if not signed:
            between[0] = 0.0
        self.levels, self.between = known.to(device), between.to(device)

    def encode(
        self,
        numbers: Tensor,
        codes: Tensor,
        scales: Tensor,
    ) -> None:
        """Numbers (N,) into codes (N,) uint8 and scales (B,) float32, B blocks: the last may be
        shorter."""
        count = numbers.numel()
        blocks = pad(numbers, (0, -count % BLOCK)).view(-1, BLOCK)
        scales.copy_(blocks.abs().amax(1))
        parts = blocks / torch.where(scales == 0, 1.0, scales)[:, None]
        nearest = torch.bucketize(parts, self.between.to(parts.dtype), out_int32=True)
        codes.copy_(nearest.view(-1)[:count])

    def decode(
        self,
        codes: Tensor,
        scales: Tensor,
    ) -> Tensor:
        """What `encode` was given (N,), as near as its codes are: float32."""
        count = codes.numel()
        found = self.levels.index_select(0, pad(codes, (0, -count % BLOCK)).int())
        return found.view(-1, BLOCK).mul_(scales[:, None]).view(-1)[:count]
