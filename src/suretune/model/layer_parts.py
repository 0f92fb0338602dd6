"""What training and decoding compute alike in a decoder layer; forward only, no autograd.

Both are captured as CUDA graphs, so nothing here asks the device for a value. T tokens, K hidden
units, H query and H_kv key heads of D.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from suretune.model import ops
from suretune.model.groups import Foreign, Group
from suretune.model.stack import Angles, Layer, Norm, Stack


@dataclass(frozen=True, slots=True)
class Behind:
    """What the backward pass of a norm behind attention or MLP needs."""

    y: Tensor  # (T, K), what the norm took
    scale: Tensor  # (T,)


@dataclass(slots=True)
class MlpKept:
    """What the MLP's backward pass needs; its input is apart."""

    scale: Tensor | None  # of the norm before it, (T,)
    a: Tensor  # (T, R)
    gate_up: Tensor | None  # (T, 2 I), the base's, without the adapters
    down_a: Tensor  # (T, R) of `down`
    behind: Behind | None


def normed(norm: Norm, x: Tensor) -> tuple[Tensor, Tensor]:
    """norm(x) (T, K) in x's dtype, and 1 / rms (T,), at least float32."""
    out = torch.empty_like(x)
    return out, ops.rms_norm(x, norm.weight, norm.eps, out)


def entered(norm: Norm | None, x: Tensor) -> tuple[Tensor, Tensor | None]:
    """What attention or MLP takes of x (T, K), as `normed` gives it; x itself without a norm."""
    return (x, None) if norm is None else normed(norm, x)


def summed(behind: Norm | float, y: Tensor, x: Tensor) -> tuple[Tensor, Behind | None]:
    """x + norm(y), or x + y times a number, all (T, K), and what its backward pass needs."""
    if isinstance(behind, float):
        return torch.add(x, y, alpha=behind), None
    out, scale = normed(behind, y)
    return out.add_(x), Behind(y, scale)


def summed_product(
    group: Group,
    behind: Norm | float | None,
    inner: Tensor,
    x: Tensor,
    foreign: Foreign | None = None,
) -> tuple[Tensor, Tensor, Behind | None]:
    """x + norm(group(inner)) (T, K), the group's a (T, R), and what the norm's backward pass needs.

    Where nothing stands behind the group, its product itself adds x.
    """
    if behind is None:
        return *group.forward(inner, x, foreign), None
    y, a = group.forward(inner, None, foreign)
    out, kept = summed(behind, y, x)
    return out, a, kept


def head_normed(
    stack: Stack,
    layer: Layer,
    qkv: Tensor,
    out: Tensor,
) -> tuple[Tensor, Tensor]:
    """Queries and keys of qkv (T, (H + 2 H_kv) D), normed, into out's same columns.

    Head by head, or all heads as one where the norm's weight is as wide. `out` may be qkv itself.
    Returns the two norms' 1 / rms, (T H,) and (T H_kv,), or (T,) each.
    """
    assert layer.query_norm is not None and layer.key_norm is not None
    cut, end = stack.cuts
    scales = []
    for norm, part in ((layer.query_norm, slice(0, cut)), (layer.key_norm, slice(cut, end))):
        heads, scale = normed(norm, qkv[:, part].reshape(-1, len(norm.weight)))
        out[:, part] = heads.view(len(qkv), -1)
        scales.append(scale)
    return scales[0], scales[1]


def rotated(
    stack: Stack,
    layer: Layer,
    qkv: Tensor,
    angles: Angles,
    *,
    again: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """q (T, H, D), k and v (T, H_kv, D), normed where the layer says so, rotated, and
    queries stretched where the model does that.

    qkv (T, (H + 2 H_kv) D), the layer's own angles. In place, unless the projections are needed
    `again`, by the backward pass of the heads' norms.
    """
    both = qkv
    if layer.query_norm is not None:
        both = qkv.new_empty(len(qkv), stack.cuts[1]) if again else qkv
        head_normed(stack, layer, qkv, both)
    ops.rotate(
        both,
        angles.cos,
        angles.sin,
        stack.heads + stack.kv_heads,
        1.0,
        both,
    )
    if angles.stretch is not None:
        both[:, : stack.cuts[0]] *= angles.stretch[:, None]
    return in_heads(stack, both, qkv)


def in_heads(
    stack: Stack,
    both: Tensor,
    qkv: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """Views (T, heads, D): queries and keys of `both`, values of qkv (T, (H + 2 H_kv) D)."""
    cut, end = stack.cuts
    shape = len(qkv), -1, stack.head_dim
    return both[:, :cut].view(shape), both[:, cut:end].view(shape), qkv[:, end:].view(shape)


def mlp(
    layer: Layer,
    x: Tensor,
    act: str,
    foreign: Foreign | None = None,
) -> tuple[Tensor, MlpKept]:
    """x (T, K) -> x + down(act(gate) * up) (T, K), normed where the layer says so, and what its
    backward pass needs.

    The adapters of gate and up are added where gate and up are read, not before.
    """
    inner, scale = entered(layer.before_mlp, x)
    a = layer.gate_up.x_a(inner, foreign)
    gate_up = layer.gate_up.base(inner)
    del inner
    hidden = x.new_empty(len(x), layer.down.k)
    ops.gate(gate_up, a, layer.gate_up.b, act, hidden)
    out, down_a, behind = summed_product(layer.down, layer.behind_mlp, hidden, x, foreign)
    return out, MlpKept(scale, a, gate_up, down_a, behind)
