"""One decoder layer forward and backward, by hand, so that what is kept is decided here.

Per token and layer a 7B model keeps 107 kB: the input, q k v, the attention's output, the input of
the MLP, gate and up; a norm's output and act(gate) * up are made again where they are needed.
`Keep.MLP_AGAIN` keeps no gate and up (31 kB), `Keep.INPUT` only the input (7 kB), `Keep.HOST` that
in the host's memory. Whatever is kept, the same operations on the same numbers give the gradient.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from suretune.model import ops
from suretune.model.flash import Attended, Rows, attend, attend_backward
from suretune.model.keep import Keep
from suretune.model.stack import Layer, Norm, Stack


@dataclass(frozen=True, slots=True)
class Setting:
    """What all layers of a pass share."""

    stack: Stack
    rows: Rows
    cos: Tensor  # (T, D)
    sin: Tensor
    tile: int  # tokens at once of an MLP that keeps nothing


@dataclass(slots=True)
class AttentionKept:
    """What attention's backward pass needs; x is the layer's input (T, K)."""

    scale: Tensor  # of the norm, (T,)
    a: Tensor
    qkv: Tensor  # rotated, unless queries and keys are normed: then as projected
    done: Attended
    o_a: Tensor


@dataclass(slots=True)
class MlpKept:
    """What the MLP's backward pass needs; its input is apart."""

    scale: Tensor
    a: Tensor
    gate_up: Tensor | None  # the base's, without the adapters
    down_a: Tensor


@dataclass(slots=True)
class Kept:
    """One layer's, from its forward to its backward pass."""

    x: Tensor  # (T, K), on the host if the policy says so
    attention: AttentionKept | None
    middle: Tensor | None  # (T, K), the MLP's input
    mlp: MlpKept | None


def forward(layer: Layer, x: Tensor, keep: Keep, how: Setting) -> tuple[Tensor, Kept]:
    """x (T, K) -> (T, K)."""
    middle, attention = _attention(layer, x, how)
    if keep is Keep.ALL:
        out, mlp = _mlp(layer, middle, how.stack.act)
        return out, Kept(x, attention, middle, mlp)
    out = _mlp_in_tiles(layer, middle, how)
    if keep is Keep.MLP_AGAIN:
        return out, Kept(x, attention, middle, None)
    return out, Kept(_to_host(x) if keep is Keep.HOST else x, None, None, None)


def _to_host(x: Tensor) -> Tensor:
    """A copy in page-locked memory, queued behind the work that made x."""
    there = torch.empty(x.shape, dtype=x.dtype, pin_memory=x.is_cuda)
    return there.copy_(x, non_blocking=True)


def backward(layer: Layer, kept: Kept, dx: Tensor, how: Setting, *, to_input: bool) -> Tensor:
    """dx (T, K) of the output -> of the input; adds to the adapters' gradients.

    Below the first layer nothing learns: without `to_input` what comes back means nothing.
    """
    x = kept.x.to(dx.device, non_blocking=True)
    middle, attention = kept.middle, kept.attention
    if middle is None or attention is None:
        middle, attention = _attention(layer, x, how)
    if kept.mlp is not None:
        dx = _mlp_backward(layer, middle, kept.mlp, dx, how.stack.act)
        kept.mlp = None
    else:
        parts = []
        for part, d in zip(torch.split(middle, how.tile), torch.split(dx, how.tile), strict=True):
            mlp = _mlp(layer, part, how.stack.act)[1]
            parts.append(_mlp_backward(layer, part, mlp, d, how.stack.act))
        dx = parts[0] if len(parts) == 1 else torch.cat(parts)
        del part, parts, d, mlp
    kept.middle = middle = None
    return _attention_backward(layer, x, attention, dx, how, to_input)


def _normed(norm: Norm, x: Tensor) -> tuple[Tensor, Tensor]:
    """norm(x) and the norm's scale."""
    out = torch.empty_like(x)
    return out, ops.rms_norm(x, norm.weight, norm.eps, out)


def _normed_again(norm: Norm, x: Tensor, scale: Tensor) -> Tensor:
    out = torch.empty_like(x)
    ops.rms_norm_again(x, norm.weight, scale, out)
    return out


def _attention(layer: Layer, x: Tensor, how: Setting) -> tuple[Tensor, AttentionKept]:
    normed, scale = _normed(layer.before_attention, x)
    qkv, a = layer.qkv.forward(normed)
    del normed
    q, k, v = _rotated(layer, qkv, how)
    done = attend(q, k, v, how.rows, how.stack.scale, layer.window)
    out, o_a = layer.o.forward(done.out.reshape(len(x), -1), residual=x)
    return out, AttentionKept(scale, a, qkv, done, o_a)


def _rotated(layer: Layer, qkv: Tensor, how: Setting) -> tuple[Tensor, Tensor, Tensor]:
    """q (T, H, D), k and v (T, H_kv, D): in place, unless the projections are needed again."""
    stack = how.stack
    turned = stack.heads + stack.kv_heads
    both = qkv
    if layer.query_norm is not None:
        both = _head_normed(layer, qkv, stack)[0]
    ops.rotate(both, how.cos, how.sin, turned, 1.0, both)
    return _split(both, qkv, stack)


def _split(both: Tensor, qkv: Tensor, stack: Stack) -> tuple[Tensor, Tensor, Tensor]:
    """Queries and keys from `both`, values from qkv (T, (H + 2 H_kv) D)."""
    cut = stack.heads * stack.head_dim, (stack.heads + stack.kv_heads) * stack.head_dim
    shape = len(qkv), -1, stack.head_dim
    parts = both[:, : cut[0]], both[:, cut[0] : cut[1]], qkv[:, cut[1] :]
    return parts[0].view(shape), parts[1].view(shape), parts[2].view(shape)


def _head_normed(layer: Layer, qkv: Tensor, stack: Stack) -> tuple[Tensor, Tensor, Tensor]:
    """Normed queries and keys (T, (H + H_kv) D), and the two norms' scales."""
    assert layer.query_norm is not None and layer.key_norm is not None
    cut, end = stack.heads * stack.head_dim, (stack.heads + stack.kv_heads) * stack.head_dim
    both = qkv.new_empty(len(qkv), end)
    scales = []
    for norm, part in ((layer.query_norm, slice(0, cut)), (layer.key_norm, slice(cut, end))):
        heads = qkv[:, part].reshape(-1, stack.head_dim)
        out = torch.empty_like(heads)
        scales.append(ops.rms_norm(heads, norm.weight, norm.eps, out))
        both[:, part] = out.view(len(qkv), -1)
    return both, scales[0], scales[1]


def _attention_backward(
    layer: Layer, x: Tensor, kept: AttentionKept, dx: Tensor, how: Setting, to_input: bool
) -> Tensor:
    stack = how.stack
    attended = kept.done.out.reshape(len(x), -1)
    g = layer.o.spread(dx)
    layer.o.learn(attended, kept.o_a, dx, g)
    d_attended = layer.o.backward(dx, g).view_as(kept.done.out)
    del attended
    if layer.query_norm is None:
        q, k, v = _split(kept.qkv, kept.qkv, stack)
    else:
        q, k, v = _rotated(layer, kept.qkv, how)
    dq, dk, dv = attend_backward(
        d_attended, q, k, v, kept.done, how.rows, stack.scale, layer.window
    )
    d_qkv = torch.empty_like(kept.qkv)
    cut, end = stack.heads * stack.head_dim, (stack.heads + stack.kv_heads) * stack.head_dim
    ops.rotate(dq.reshape(len(x), -1), how.cos, how.sin, stack.heads, -1.0, d_qkv)
    ops.rotate(dk.reshape(len(x), -1), how.cos, how.sin, stack.kv_heads, -1.0, d_qkv[:, cut:])
    d_qkv[:, end:] = dv.reshape(len(x), -1)
    del dq, dk, dv, q, k, v, d_attended
    if layer.query_norm is not None:
        _head_normed_backward(layer, kept.qkv, d_qkv, stack)
    g = layer.qkv.spread(d_qkv)
    layer.qkv.learn(_normed_again(layer.before_attention, x, kept.scale), kept.a, d_qkv, g)
    if not to_input:
        return dx
    d_normed = layer.qkv.backward(d_qkv, g)
    return ops.rms_norm_backward(d_normed, x, layer.before_attention.weight, kept.scale, dx)


def _head_normed_backward(layer: Layer, qkv: Tensor, d_qkv: Tensor, stack: Stack) -> None:
    """Through the norms of queries and keys, in place."""
    _, *scales = _head_normed(layer, qkv, stack)
    cut, end = stack.heads * stack.head_dim, (stack.heads + stack.kv_heads) * stack.head_dim
    norms = (layer.query_norm, slice(0, cut)), (layer.key_norm, slice(cut, end))
    for (norm, part), scale in zip(norms, scales, strict=True):
        assert norm is not None
        heads = qkv[:, part].reshape(-1, stack.head_dim)
        d = d_qkv[:, part].reshape(-1, stack.head_dim)
        d = ops.rms_norm_backward(d, heads, norm.weight, scale, torch.zeros_like(d))
        d_qkv[:, part] = d.view(len(qkv), -1)


def _mlp(layer: Layer, x: Tensor, act: str) -> tuple[Tensor, MlpKept]:
    """The adapters of gate and up are added where gate and up are read, not before."""
    normed, scale = _normed(layer.before_mlp, x)
    a = layer.gate_up.ranks(normed)
    gate_up = layer.gate_up.base(normed)
    del normed
    hidden = x.new_empty(len(x), layer.down.k)
    ops.gate(gate_up, a, layer.gate_up.b, act, hidden)
    out, down_a = layer.down.forward(hidden, residual=x)
    return out, MlpKept(scale, a, gate_up, down_a)


def _mlp_in_tiles(layer: Layer, x: Tensor, how: Setting) -> Tensor:
    parts = [_mlp(layer, part, how.stack.act)[0] for part in torch.split(x, how.tile)]
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def _mlp_backward(layer: Layer, x: Tensor, kept: MlpKept, dx: Tensor, act: str) -> Tensor:
    assert kept.gate_up is not None
    group = layer.gate_up
    g_down = layer.down.spread(dx)
    d_hidden = layer.down.base_backward(dx)
    d_gate_up = torch.empty_like(kept.gate_up)
    ops.gate_backward(d_hidden, g_down, layer.down.a, kept.gate_up, kept.a, group.b, act, d_gate_up)
    kept.gate_up = None
    layer.down.learn(d_hidden, kept.down_a, dx, g_down)  # by now it holds act(g) * u
    del d_hidden
    g = group.spread(d_gate_up)
    group.learn(_normed_again(layer.before_mlp, x, kept.scale), kept.a, d_gate_up, g)
    d_normed = group.backward(d_gate_up, g)
    del d_gate_up
    return ops.rms_norm_backward(d_normed, x, layer.before_mlp.weight, kept.scale, dx)
