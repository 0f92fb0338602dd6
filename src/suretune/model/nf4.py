"""NF4: weights in 4 bits, in blocks of 64, whose scales are in 8 bits again (double quantisation).

After QLoRA, Dettmers et al. 2023, arXiv 2305.14314: a value is divided by the largest magnitude of
its block and takes the nearest of 16 levels that are quantiles of a normal distribution (appendix
E). From the scales their mean is taken; what is left is divided by the largest of 256 of them and
takes the nearest of 256 levels of a dynamic exponent and fraction (Dettmers 2016, arXiv
1511.04561). The layout is that of bitsandbytes, so that its loaders have the same base: blocks run
through the matrix row by row, and the earlier value of a pair is in the upper four bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from suretune.model.weight import added
from suretune.tuning.qlora import AT_ONCE, BLOCK, SCALES

LEVELS = (
    *(-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453),
    *(-0.28444138169288635, -0.18477343022823334, -0.09105003625154495, 0.0),
    *(0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224),
    *(0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0),
)
LEAST = 1e-38  # a block of zeros is divided by this


@dataclass(frozen=True, slots=True)
class Packed:
    """One matrix. M values in blocks of 64, the last one filled up with zeros: B blocks."""

    codes: Tensor  # (32 B,) uint8, two values each
    scales: Tensor  # (B,) uint8
    steps: Tensor  # (ceil(B / 256),) float32
    mean: Tensor  # () float32, of the scales


def sizes_of(rows: int, columns: int) -> tuple[int, int, int]:
    """Of a matrix: bytes of codes, number of scales, number of steps."""
    blocks = -(-rows * columns // BLOCK)
    return blocks * BLOCK // 2, blocks, -(-blocks // SCALES)


@cache
def levels(device: torch.device) -> Tensor:
    """(16,) float32, ascending."""
    return torch.tensor(LEVELS, dtype=torch.float32, device=device)


@cache
def pairs(device: torch.device) -> Tensor:
    """(256,) int64: the bits of the levels, float32, of both values of a byte.

    Taken together: one number of 8 bytes is looked up four times as fast as two of 4.
    """
    byte = torch.arange(256, device=device)
    both = levels(device)[torch.stack([byte >> 4, byte & 15], 1)]
    return both.view(torch.int64).view(-1)


@cache
def scale_levels(device: torch.device) -> Tensor:
    """(256,) float32, ascending: less of fraction with each power of ten; both signs, 0 and 1."""
    made = [0.0, 1.0]
    for power in range(7):
        edges = torch.linspace(0.1, 1, 2**power + 1, dtype=torch.float32)
        between = 10 ** (power - 6) * ((edges[:-1] + edges[1:]) / 2)
        made += [*between.tolist(), *(-between).tolist()]
    return torch.tensor(sorted(made), dtype=torch.float32, device=device)


def pack(weight: Tensor) -> Packed:
    """From a matrix in any precision; computed in float32, where it lies."""
    codes, scales = _nearest(weight.reshape(-1), BLOCK, levels(weight.device))
    mean = scales.mean()
    small, steps = _nearest(scales - mean, SCALES, scale_levels(weight.device))
    return Packed(
        codes=codes[::2] << 4 | codes[1::2],
        scales=small[: len(scales)].clone(),
        steps=steps,
        mean=mean,
    )


def _nearest(
    values: Tensor,
    block: int,
    known: Tensor,
) -> tuple[Tensor, Tensor]:
    """(of each value, filled up to whole blocks, the nearest level uint8; each block's scale)."""
    there = functional.pad(values.float(), (0, -len(values) % block)).view(-1, block)
    scales = there.abs().amax(1)
    there = (there * (1 / scales.clamp(min=LEAST))[:, None]).clamp(-1, 1)
    bounds = (known[:-1] + known[1:]) / 2
    return torch.bucketize(there.view(-1), bounds, out_int32=True).to(torch.uint8), scales


def unpack_into(packed: Packed, out: Tensor) -> None:
    """The matrix that is computed with, rounded once to the dtype of `out`, which has its shape.

    Nothing asks the device for a value: it can be captured.
    """
    device, flat = packed.codes.device, out.view(-1)
    scales = torch.index_select(scale_levels(device), 0, packed.scales.int())
    scales *= packed.steps[:, None].expand(-1, SCALES).reshape(-1)[: len(scales)]
    scales += packed.mean  # two roundings on every device: no product and sum in one
    for start in range(0, len(flat), AT_ONCE):
        end = min(start + AT_ONCE, len(flat))
        blocks = slice(start // BLOCK, -(-end // BLOCK))
        codes = packed.codes[blocks.start * BLOCK // 2 : blocks.stop * BLOCK // 2]
        bits = torch.index_select(pairs(device), 0, codes.int())
        values = bits.view(torch.float32).view(-1, BLOCK)
        values *= scales[blocks, None]
        flat[start:end].copy_(values.view(-1)[: end - start])


@dataclass(frozen=True, slots=True)
class Nf4:
    """Linear layers with one input, each packed for itself: a `Weight`.

    The matrix (N, K) is there while it is multiplied with, and no longer.
    """

    members: Sequence[Packed]
    rows: Sequence[int]  # outputs of each
    columns: int
    like: Tensor  # of the dtype that is computed in

    @property
    def shape(self) -> tuple[int, int]:
        """See `Weight`."""
        return sum(self.rows), self.columns

    def matrix(self, dtype: torch.dtype | None = None) -> Tensor:
        """(N, K), made anew."""
        out = torch.empty(
            self.shape,
            dtype=dtype or self.like.dtype,
            device=self.like.device,
        )
        for packed, part in zip(self.members, torch.split(out, list(self.rows)), strict=True):
            unpack_into(packed, part)
        return out

    def forward(
        self,
        x: Tensor,
        bias: Tensor | None = None,
        residual: Tensor | None = None,
    ) -> Tensor:
        """See `Weight`."""
        return added(x @ self.matrix(x.dtype).t(), (bias, residual))

    def backward(self, dy: Tensor) -> Tensor:
        """See `Weight`."""
        return dy @ self.matrix(dy.dtype)


class Nf4Linear(nn.Linear):
    """A linear layer whose weight is packed; `weight` are its codes, the rest lies beside them.

    Its gradient goes to its input only.
    """

    scales: Tensor
    steps: Tensor
    mean: Tensor
    like: Tensor  # (0,) of the dtype that is computed in: it follows the model's

    def __init__(self, like: nn.Linear) -> None:
        nn.Module.__init__(self)
        self.in_features, self.out_features = like.in_features, like.out_features
        device = like.weight.device
        codes, scales, steps = sizes_of(like.out_features, like.in_features)
        for name, shape, dtype in (
            ("weight", (codes,), torch.uint8),
            ("scales", (scales,), torch.uint8),
            ("steps", (steps,), torch.float32),
            ("mean", (), torch.float32),
        ):
            self.register_buffer(name, torch.empty(shape, dtype=dtype, device=device))
        nothing = torch.empty(0, dtype=like.weight.dtype, device=device)
        self.register_buffer("like", nothing, persistent=False)
        self.bias = like.bias

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        """As for any module, but steps and mean keep their precision whatever the model's is."""
        parts = self.steps, self.mean
        done = super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        self.steps, self.mean = (each.to(self.weight.device) for each in parts)
        return done

    @property
    def packed(self) -> Packed:
        """Its parts as they lie now."""
        return Packed(
            self.weight,
            self.scales,
            self.steps,
            self.mean,
        )

    @property
    def nf4(self) -> Nf4:
        """As a `Weight` of one member."""
        return Nf4(
            (self.packed,),
            (self.out_features,),
            self.in_features,
            self.like,
        )

    def forward(self, input: Tensor) -> Tensor:
        """x (..., K) -> x W' + bias (..., N), in the dtype of x."""
        y: Tensor = _Product.apply(input, self.nf4)  # type: ignore[no-untyped-call]
        return y if self.bias is None else y + self.bias


class _Product(torch.autograd.Function):
    """x (..., K) -> x W'; the packed weight is kept for the way back, the matrix is not."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Nf4) -> Tensor:
        ctx.weight = weight
        return weight.forward(x.reshape(-1, x.shape[-1])).view(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, *slopes: Any) -> Any:
        dy = slopes[0]
        dx = ctx.weight.backward(dy.reshape(-1, dy.shape[-1])).view(*dy.shape[:-1], -1)
        return dx, None


def parameters_of(model: nn.Module) -> int:
    """Numbers of a model, each once; a packed one counts as what it stands for."""
    packed = [module for module in model.modules() if isinstance(module, Nf4Linear)]
    held = sum(parameter.numel() for parameter in model.parameters())
    return held + sum(prod((each.in_features, each.out_features)) for each in packed)
