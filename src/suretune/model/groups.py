"""Linear layers that share one input, and their LoRA adapters, as three matrices.

A group holds the N x K weights of its members as one matrix W, all R ranks of their adapters as
A (R, K) and as B (N, R), which is block-diagonal and carries the scale. So q, k and v are one
product, gate and up another. y = x W' + a B' with a = x A'; dx = dy W + g A with g = dy B. The
weights of the model's own modules become views into W: nothing is held twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from peft.tuners.lora import LoraLayer
from torch import Tensor, nn

from suretune.model.fp8 import make_fp8
from suretune.model.nf4 import Nf4, Nf4Linear
from suretune.model.weight import Dense, Weight

ALIGN = 8  # columns; tensor cores read 16 bytes at once

Foreign = Mapping[int, Tensor]
"""For many adapters in one batch: members of a group -> (T, R or more) bool, ranks to silence."""


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

    weight: Weight  # (N, K)
    bias: Tensor | None  # (N,)
    a: Tensor  # (R, K)
    b: Tensor  # (N, R), the scale in it
    adapters: tuple[Adapter, ...]
    sizes: tuple[int, ...]  # outputs of each member

    @property
    def n(self) -> int:
        """Width of the output, all members of the group together."""
        return self.weight.shape[0]

    @property
    def k(self) -> int:
        """Width of the input."""
        return self.weight.shape[1]

    @property
    def r(self) -> int:
        """Rank, all members of the group together."""
        return len(self.a)

    def base(
        self,
        x: Tensor,
        residual: Tensor | None = None,
    ) -> Tensor:
        """x (T, K) -> x W' (+ bias or residual) (T, N), without the adapters."""
        return self.weight.forward(x, self.bias, residual)

    def x_a(
        self,
        x: Tensor,
        foreign: Foreign | None = None,
    ) -> Tensor:
        """a = x A' (T, R); zero where a rank is foreign to a row, were it infinite there."""
        a = x @ self.a.t()
        return a if foreign is None else a.masked_fill_(foreign[len(self.sizes)][:, : self.r], 0)

    def forward(
        self,
        x: Tensor,
        residual: Tensor | None = None,
        foreign: Foreign | None = None,
    ) -> tuple[Tensor, Tensor]:
        """x (T, K) -> y (T, N) and a (T, R)."""
        a = self.x_a(x, foreign)
        y = self.base(x, residual)
        return (y.addmm_(a, self.b.t()) if self.r else y), a

    def base_backward(self, dy: Tensor) -> Tensor:
        """dy (T, N) -> dy W (T, K)."""
        return self.weight.backward(dy)

    def backward(self, dy: Tensor, g: Tensor) -> Tensor:
        """dy (T, N) and g = dy B (T, R) -> dx (T, K)."""
        dx = self.base_backward(dy)
        return dx.addmm_(g, self.a) if self.r else dx

    def dy_b(self, dy: Tensor) -> Tensor:
        """g = dy B (T, R)."""
        return dy @ self.b

    def accumulate_grads(
        self,
        x: Tensor,
        a: Tensor,
        dy: Tensor,
        g: Tensor,
    ) -> None:
        """Add to the adapters' gradients: x (T, K), a and g (T, R), dy (T, N)."""
        whole = side_by_side([grad_of(adapter.a) for adapter in self.adapters])
        if whole is not None:
            add_product(whole, g[:, : len(whole)].t(), x, 1.0)
        for adapter in self.adapters:
            if whole is None:
                add_product(
                    grad_of(adapter.a),
                    g[:, adapter.ranks].t(),
                    x,
                    1.0,
                )
            part = dy[:, adapter.rows]
            add_product(
                grad_of(adapter.b),
                part.t(),
                a[:, adapter.ranks],
                adapter.scale,
            )

    def places(self) -> Iterator[tuple[Tensor, nn.Parameter, float]]:
        """(where in A or B, which master belongs there, times what)."""
        for adapter in self.adapters:
            yield self.a[adapter.ranks], adapter.a, 1.0
            yield self.b[adapter.rows, adapter.ranks], adapter.b, adapter.scale

    def refresh(self) -> None:
        """Copy the adapters' masters into A and B."""
        for there, master, scale in self.places():
            there.copy_(master.data if scale == 1 else master.data * scale)

    def quantize(self) -> None:
        """From now on compute the base's products in 8 bits."""
        assert isinstance(self.weight, Dense)  # fewer bits are asked for by one option or another
        self.weight = make_fp8(self.weight.values)

    def zero_b(self) -> None:
        """Zero B: the outputs are the base's until `refresh`."""
        self.b.zero_()


class Mirror:
    """All masters of a stack and their places in the groups; one kernel copies them."""

    def __init__(self, groups: Sequence[Group]) -> None:
        self.groups = groups
        self.table: tuple[Tensor, Tensor, Tensor, int] | None = None

    def refresh(self) -> None:
        """Masters -> A and B of every group."""
        if not self.groups[0].weight.like.is_cuda or (self.table is None and not self._are_plain()):
            for group in self.groups:
                group.refresh()
            return
        from suretune.model import kernels

        if self.table is None:
            self.table = self._table()
        kernels.mirror(*self.table, self.groups[0].weight.like)

    def _are_plain(self) -> bool:
        """Whether the kernel may read the masters: float32, value by value, at raw addresses."""
        masters = [master for group in self.groups for _, master, _ in group.places()]
        return all(m.dtype == torch.float32 and m.is_contiguous() for m in masters)

    def _table(self) -> tuple[Tensor, Tensor, Tensor, int]:
        """Addresses (P, 2), sizes (P, 3) of rows, columns and stride, scales (P,); the largest.

        The masters must have moved into their flat tensor before; they stay there.
        """
        places = [place for group in self.groups for place in group.places()]
        device = self.groups[0].weight.like.device
        addresses = [(there.data_ptr(), master.data_ptr()) for there, master, _ in places]
        sizes = [(*master.shape, there.stride(0)) for there, master, _ in places]
        return (
            torch.tensor(addresses, device=device),
            torch.tensor(sizes, device=device),
            torch.tensor([scale for *_, scale in places], device=device),
            max((master.numel() for _, master, _ in places), default=0),
        )


def side_by_side(parts: Sequence[Tensor]) -> Tensor | None:
    """Matrices that follow each other in memory as one (sum of rows, K), or None."""
    if not parts:
        return None
    first, end = parts[0], parts[0].data_ptr()
    memory = first.untyped_storage().data_ptr()  # two tensors may be neighbours by chance
    for part in parts:
        if part.untyped_storage().data_ptr() != memory:
            return None
        if part.data_ptr() != end or not part.is_contiguous():
            return None
        end += part.numel() * part.element_size()
    rows = sum(len(part) for part in parts)
    return first.as_strided((rows, first.shape[1]), (first.shape[1], 1))


def grad_of(parameter: nn.Parameter) -> Tensor:
    """Its gradient, in its shape and dtype, made zero where there is none yet."""
    if parameter.grad is None:
        parameter.grad = torch.zeros_like(parameter)
    return parameter.grad


def add_product(
    out: Tensor,
    left: Tensor,
    right: Tensor,
    scale: float,
) -> None:
    """out (M, N) += scale * left (M, T) @ right (T, N).

    Half-precision factors are summed in out's float32, and not rounded in between.
    """
    if left.dtype == out.dtype:
        out.addmm_(left, right, alpha=scale)
    elif left.is_cuda:
        torch.ops.aten.addmm.dtype_out(
            out,
            left,
            right,
            out.dtype,
            alpha=scale,
            out=out,
        )
    else:
        out.addmm_(
            left.to(out.dtype),
            right.to(out.dtype),
            alpha=scale,
        )


def make_group(members: Sequence[nn.Module], learning: bool) -> Group | str:
    """Linear layers with one input, with or without LoRA, or the reason why they cannot be one."""
    bases: list[nn.Linear] = []
    for module in members:
        base = module.base_layer if isinstance(module, LoraLayer) else module
        if not isinstance(base, nn.Linear) or type(base) not in (nn.Linear, Nf4Linear):
            return f"{type(base).__name__} in place of a linear layer"
        if type(base) is not type(bases[0] if bases else base):
            return "a group of which some layers are packed"
        bases.append(base)
        if isinstance(module, LoraLayer) and (reason := unusual(module, learning)):
            return reason
    sizes = tuple(base.out_features for base in bases)
    ranks = [m.r["default"] if isinstance(m, LoraLayer) else 0 for m in members]
    r = -(-sum(ranks) // ALIGN) * ALIGN
    weight = _joined(bases)
    adapters, row, rank = [], 0, 0
    for module, base, own in zip(members, bases, ranks, strict=True):
        rows = slice(row, row + base.out_features)
        if isinstance(module, LoraLayer):
            pair = module.lora_A["default"].weight, module.lora_B["default"].weight
            scale = module.scaling["default"]
            adapters.append(Adapter(rows, slice(rank, rank + own), scale, *pair))
        row, rank = rows.stop, rank + own
    n, k = weight.shape
    group = Group(
        weight,
        _joined_bias(bases, weight.like),
        weight.like.new_zeros(r, k),
        weight.like.new_zeros(n, r),
        tuple(adapters),
        sizes,
    )
    group.refresh()
    return group


def unusual(module: LoraLayer, learning: bool) -> str:
    """Why a LoRA layer is not the plain one, or nothing."""
    dropout = module.lora_dropout["default"]
    if learning and isinstance(dropout, nn.Dropout) and dropout.p:
        return "dropout before the adapters"
    if module.use_dora.get("default"):
        return "DoRA"
    if set(module.lora_A) != {"default"} or module.lora_A["default"].bias is not None:
        return "several adapters on one layer"
    return "a bias in the adapters" if module.lora_bias.get("default") else ""


def _joined(bases: Sequence[nn.Linear]) -> Weight:
    """The weights as one; those of plain layers become views into it, packed ones stay apart."""
    packed = [base for base in bases if isinstance(base, Nf4Linear)]
    if packed:
        return Nf4(
            tuple(base.packed for base in packed),
            tuple(base.out_features for base in packed),
            packed[0].in_features,
            packed[0].nf4.like,
        )
    weight = bases[0].weight.data
    if len(bases) > 1:
        weight = torch.cat([base.weight.data for base in bases])
    for base, rows in zip(bases, torch.split(weight, [b.out_features for b in bases]), strict=True):
        base.weight.data = rows
    return Dense(weight)


def _joined_bias(bases: Sequence[nn.Linear], like: Tensor) -> Tensor | None:
    """The biases as one, zero where there is none; the layers' own become views into it."""
    if all(base.bias is None for base in bases):
        return None
    parts = [
        like.new_zeros(base.out_features) if base.bias is None else base.bias.data for base in bases
    ]
    joined = torch.cat(parts)
    for base, part in zip(bases, torch.split(joined, [len(part) for part in parts]), strict=True):
        if base.bias is not None:
            base.bias.data = part
    return joined
