"""AdamW whose moments lie in 8 bits, for weights whose moments would not fit otherwise.

A number's two moments take 2 bytes and two shares of a block's scale, not 8 (`blockwise.py`). They
are unpacked slice by slice, so beside them there is never more than a slice in float32.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from suretune.model.full import Whole
from suretune.train.blockwise import BLOCK, Blockwise
from suretune.train.flat_adamw import MOMENTS
from suretune.train.whole_adamw import WholeAdamW
from suretune.tuning.full import has_8bit_moments

AT_ONCE = 1 << 22  # numbers that are unpacked together, whole blocks: some 100 MB in all
SCALES = "/scales"  # of a moment's blocks
BETAS = (0.9, 0.999)
EPSILON = 1e-8


class BlockwiseAdamW:
    """Adam with decoupled decay over flat `values` (N,), as torch's, but for where moments lie.

    slopes: the gradient (N,), in place. rate: the learning rate (). sizes: numbers of each
    parameter, by name, in the order of the values. A small one, and an embedding, keep moments of
    the values' own kind: they are few, or hardly ever learned all at once, and then one large
    gradient would hide the others of its block.

    `state`, of the values, after the first update: `step` (), on the CPU, and of each parameter
    NAME `NAME/exp_avg` and `NAME/exp_avg_sq` (N,), uint8 with `.../scales` (B,) beside them.
    """

    def __init__(
        self,
        values: nn.Parameter,
        slopes: Tensor,
        sizes: Mapping[str, int],
        rate: Tensor,
        weight_decay: float,
    ) -> None:
        self.values = values
        self.slopes = slopes
        self.sizes = dict(sizes)
        self.rate = rate
        self.weight_decay = weight_decay
        self.maps = [Blockwise(values.device, signed=signed) for signed in (True, False)]
        self.state: dict[Tensor, dict[str, Tensor]] = {values: {}}
        self.param_groups = [{"params": [values], "lr": 0.0}]  # told here as of torch's: unused

    def fill(self) -> dict[str, Tensor]:
        """The state, made of zeros where there is none yet."""
        state = self.state[self.values]
        if state:
            return state
        state["step"] = torch.zeros(())
        for name, size in self.sizes.items():
            packed = has_8bit_moments(name, size)
            for moment in MOMENTS:
                key = f"{name}/{moment}"
                kind = torch.uint8 if packed else self.values.dtype
                state[key] = torch.zeros(size, dtype=kind, device=self.values.device)
                if packed:
                    blocks = -(-size // BLOCK)
                    state[f"{key}{SCALES}"] = torch.zeros(blocks, device=self.values.device)
        return state

    @torch.no_grad()
    def step(self) -> None:
        """Apply the gradient; it stays as it is."""
        state = self.fill()
        state["step"] += 1
        done, begin = int(state["step"]), 0
        for name, size in self.sizes.items():
            for at in range(0, size, AT_ONCE):
                part = slice(begin + at, begin + min(size, at + AT_ONCE))
                self._move(
                    self.values.data[part],
                    self.slopes[part],
                    [self._slice(f"{name}/{moment}", at) for moment in MOMENTS],
                    done,
                )
            begin += size

    def _slice(self, key: str, at: int) -> tuple[Tensor, Tensor | None]:
        """From there on, at most so many numbers of a moment, and the scales of their blocks."""
        state = self.state[self.values]
        scales = state.get(f"{key}{SCALES}")
        if scales is not None:
            scales = scales[at // BLOCK : (at + AT_ONCE) // BLOCK]
        return state[key][at : at + AT_ONCE], scales

    def _move(
        self,
        values: Tensor,
        slopes: Tensor,
        moments: list[tuple[Tensor, Tensor | None]],
        done: int,
    ) -> None:
        """One update of a slice (n,): the update is of the moments before they are packed."""
        first, second = (
            codes if scales is None else by.decode(codes, scales).to(values.dtype)
            for (codes, scales), by in zip(moments, self.maps, strict=True)
        )
        first.lerp_(slopes, 1 - BETAS[0])
        second.mul_(BETAS[1]).addcmul_(slopes, slopes, value=1 - BETAS[1])
        below = second.sqrt().div_(math.sqrt(1 - BETAS[1] ** done)).add_(EPSILON)
        if self.weight_decay:
            values.mul_(1 - self.rate * self.weight_decay)
        values.sub_((first / below).mul_(self.rate / (1 - BETAS[0] ** done)))
        for (codes, scales), moved, by in zip(moments, (first, second), self.maps, strict=True):
            if scales is not None:
                by.encode(moved, codes, scales)


class WholeAdamW8(WholeAdamW):
    """As `WholeAdamW`, with moments in 8 bits: `adamw_8bit` of `--optim`."""

    def __init__(self, model: Whole, weight_decay: float) -> None:
        super().__init__(model, weight_decay)
        sizes = {name: p.numel() for name, p in self.parameters.items()}
        self.packed = BlockwiseAdamW(
            self.values,
            self.gradient,
            sizes,
            self.rate,
            weight_decay,
        )
        self.optimizer = self.packed  # type: ignore[assignment]

    def _kept(self) -> Iterator[tuple[str, Tensor]]:
        """Moments in their parameter's shape, whatever they are kept in, and the scales."""
        for key, tensor in self.packed.state[self.values].items():
            name, _, rest = key.rpartition("/")
            yield key, tensor.view(self.parameters[name].shape) if rest in MOMENTS else tensor

    def _fill(self) -> None:
        self.packed.fill()
