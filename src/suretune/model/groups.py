"""Linear layers that share one input, and their LoRA adapters, as one matrix.

A group lays its N x K weights and all R ranks of its adapters into one padded buffer

    [ W   s*B ]      N rows
    [ A    0  ]      R rows
      K     R

so that with a = x A' one product [x a] [W s*B]' gives y, and with g = dy (s*B) one product
[dy g] [W s*B over A 0] gives dx: the adapters cost a few columns of a product that is computed
anyway, where added separately they cost another pass over y and over dx. The weights of the
model's own modules become views into the buffer, so nothing is held twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from peft.tuners.lora import LoraLayer
from torch import Tensor, nn

ALIGN = 8  # columns; tensor cores read 16 bytes at once


@dataclass(frozen=True, slots=True)
class Adapter:
    """One linear layer's LoRA within its group."""

    rows: slice  # of the group's N outputs
    ranks: slice  # of the group's R ranks
    scale: float
    a: nn.Parameter  # (r, K) float32, the master
    b: nn.Parameter  # (N_i, r) float32


@dataclass(slots=True)
class Group:
    """N outputs, K inputs, R ranks (a multiple of 8, or 0)."""

    buffer: Tensor  # (N + R, K + R)
    bias: Tensor | None  # (N,)
    n: int
    k: int
    r: int
    adapters: tuple[Adapter, ...]
    sizes: tuple[int, ...]  # outputs of each member
    eight: object | None = field(default=None)  # the base in 8 bits, where it was asked for

    @property
    def weight(self) -> Tensor:
        """(N, K), the base's."""
        return self.buffer[: self.n, : self.k]

    def pad(self, x: Tensor) -> Tensor:
        """(T, K) -> (T, K + R) with room for a."""
        wide = x.new_empty(len(x), self.k + self.r)
        wide[:, : self.k] = x
        return wide

    def pad_out(self, dy: Tensor) -> Tensor:
        """(T, N) -> (T, N + R) with room for g."""
        wide = dy.new_empty(len(dy), self.n + self.r)
        wide[:, : self.n] = dy
        return wide

    def forward(self, x: Tensor, residual: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """x (T, K + R), its last R columns are overwritten; y (T, N) and a (T, R)."""
        a = None
        if self.r:
            a = torch.mm(x[:, : self.k], self.buffer[self.n :, : self.k].t())
            x[:, self.k :] = a
        top = self.buffer[: self.n].t()
        if residual is not None:
            y = torch.addmm(residual, x, top)
            return (y if self.bias is None else y.add_(self.bias)), a
        return (torch.mm(x, top) if self.bias is None else torch.addmm(self.bias, x, top)), a

    def backward(self, dy: Tensor) -> Tensor:
        """dy (T, N + R), its last R columns become g; dx (T, K). Call `learn` as well."""
        return torch.mm(dy, self.buffer[:, : self.k])

    def spread(self, dy: Tensor) -> None:
        """Fill the last R columns of dy (T, N + R) with g = dy (s*B)."""
        if self.r:
            dy[:, self.n :] = torch.mm(dy[:, : self.n], self.buffer[: self.n, self.k :])

    def learn(self, x: Tensor, a: Tensor | None, dy: Tensor) -> None:
        """Add to the adapters' gradients: x (T, >= K), a (T, R), dy (T, N + R) with g."""
        if a is None:
            return
        for adapter in self.adapters:
            g = dy[:, self.n :][:, adapter.ranks]
            add_product(grad_of(adapter.a), g.t(), x[:, : self.k], 1.0)
            part = dy[:, adapter.rows]
            add_product(grad_of(adapter.b), part.t(), a[:, adapter.ranks], adapter.scale)

    def refresh(self) -> None:
        """Copy the adapters' masters into the buffer."""
        for adapter in self.adapters:
            self.buffer[self.n :, : self.k][adapter.ranks] = adapter.a.data
            self.buffer[adapter.rows, self.k :][:, adapter.ranks] = adapter.b.data * adapter.scale

    def mute(self) -> None:
        """Zero s*B: the outputs are the base's until `refresh`."""
        self.buffer[: self.n, self.k :] = 0


def grad_of(parameter: nn.Parameter) -> Tensor:
    """Its gradient, made zero where there is none yet."""
    if parameter.grad is None:
        parameter.grad = torch.zeros_like(parameter)
    return parameter.grad


def add_product(out: Tensor, left: Tensor, right: Tensor, scale: float) -> None:
    """out += scale * left @ right; half-precision factors are summed and kept in float32."""
    if left.dtype == out.dtype:
        out.addmm_(left, right, alpha=scale)
    elif left.is_cuda:
        torch.ops.aten.addmm.dtype_out(out, left, right, out.dtype, alpha=scale, out=out)
    else:
        out.addmm_(left.to(out.dtype), right.to(out.dtype), alpha=scale)


def make_group(members: Sequence[nn.Module]) -> Group | str:
    """Linear layers with one input, with or without LoRA, or the reason why they cannot be one."""
    bases: list[nn.Linear] = []
    for module in members:
        base = module.base_layer if isinstance(module, LoraLayer) else module
        if type(base) is not nn.Linear:
            return f"{type(base).__name__} in place of a linear layer"
        bases.append(base)
        if isinstance(module, LoraLayer) and (reason := _unusual(module)):
            return reason
    sizes = tuple(base.out_features for base in bases)
    n, k = sum(sizes), bases[0].in_features
    ranks = [m.r["default"] if isinstance(m, LoraLayer) else 0 for m in members]
    r = -(-sum(ranks) // ALIGN) * ALIGN
    first = bases[0].weight
    buffer = first.new_zeros(n + r, k + r)
    adapters, row, rank = [], 0, 0
    for module, base, own in zip(members, bases, ranks, strict=True):
        rows = slice(row, row + base.out_features)
        buffer[rows, :k] = base.weight.data
        base.weight.data = buffer[rows, :k]
        if isinstance(module, LoraLayer):
            pair = module.lora_A["default"].weight, module.lora_B["default"].weight
            scale = module.scaling["default"]
            adapters.append(Adapter(rows, slice(rank, rank + own), scale, *pair))
        row, rank = rows.stop, rank + own
    group = Group(buffer, _joined_bias(bases), n, k, r, tuple(adapters), sizes)
    group.refresh()
    return group


def _unusual(module: LoraLayer) -> str:
    """Why a LoRA layer is not the plain one, or nothing."""
    dropout = module.lora_dropout["default"]
    if isinstance(dropout, nn.Dropout) and dropout.p:
        return "dropout before the adapters"
    if module.use_dora.get("default"):
        return "DoRA"
    if set(module.lora_A) != {"default"} or module.lora_A["default"].bias is not None:
        return "several adapters on one layer"
    return "a bias in the adapters" if module.lora_bias.get("default") else ""


def _joined_bias(bases: Sequence[nn.Linear]) -> Tensor | None:
    if all(base.bias is None for base in bases):
        return None
    parts = [
        base.weight.new_zeros(base.out_features) if base.bias is None else base.bias.data
        for base in bases
    ]
    return torch.cat(parts)
