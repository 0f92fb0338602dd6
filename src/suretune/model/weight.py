"""The frozen weight of linear layers with one input, however its numbers lie in memory.

A group computes with a `Weight` and asks for nothing else: `Dense` is a matrix as it is, `Fp8`
(fp8.py) the same one with both products in 8 bits, `Nf4` (nf4.py) one packed into 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


class Weight(Protocol):
    """W (N, K): what a group's base products need of it."""

    @property
    def shape(self) -> tuple[int, int]:
        """(N, K)."""
        ...

    @property
    def like(self) -> Tensor:
        """A tensor of the dtype that is computed in, where the weight lies; its size is nobody's
        business."""
        ...

    def forward(
        self,
        x: Tensor,
        bias: Tensor | None = None,
        residual: Tensor | None = None,
    ) -> Tensor:
        """x (T, K) -> x W' (+ bias (N,)) (+ residual (T, N)), a new tensor (T, N)."""
        ...

    def backward(self, dy: Tensor) -> Tensor:
        """dy (T, N) -> dy W, a new tensor (T, K)."""
        ...


@dataclass(frozen=True, slots=True)
class Dense:
    """A matrix in the dtype that is computed in; the members' own weights are views into it."""

    values: Tensor  # (N, K)

    @property
    def shape(self) -> tuple[int, int]:
        """See `Weight`."""
        n, k = self.values.shape
        return n, k

    @property
    def like(self) -> Tensor:
        """See `Weight`."""
        return self.values

    def forward(
        self,
        x: Tensor,
        bias: Tensor | None = None,
        residual: Tensor | None = None,
    ) -> Tensor:
        """See `Weight`; what is added goes into the product where it can."""
        turned = self.values.t()
        if residual is not None:
            y = torch.addmm(residual, x, turned)
            return y if bias is None else y.add_(bias)
        return x @ turned if bias is None else torch.addmm(bias, x, turned)

    def backward(self, dy: Tensor) -> Tensor:
        """See `Weight`."""
        return dy @ self.values


def added(y: Tensor, parts: Sequence[Tensor | None]) -> Tensor:
    """y with these added to it in place: for products that take nothing in."""
    for part in parts:
        if part is not None:
            y += part
    return y
