"""One decoder layer forward and backward, by hand, so that what is kept is decided here.

Per token and layer a 7B model keeps 107 kB: the input, q k v, the attention's output, the input of
the MLP, gate and up; a norm's output and act(gate) * up are made again where they are needed. Of a
norm behind attention or MLP its input is kept, too: to make that again costs the product before it.
`Keep.MLP_AGAIN` keeps no gate and up (31 kB), `Keep.INPUT` only the input (7 kB), `Keep.HOST` that
in the host's memory. Whatever is kept, the same operations on the same numbers give the gradient.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from suretune.model import ops
from suretune.model.flash import Attended, Rows, attend, attend_backward
from suretune.model.layer_parts import (
    Behind,
    MlpKept,
    entered,
    head_normed,
    in_heads,
    mlp,
    rotated,
    summed_product,
)
from suretune.model.recompute import Keep
from suretune.model.stack import Angles, Layer, Norm, Stack


@dataclass(frozen=True, slots=True)
class Setting:
    """What all layers of a pass share."""

    stack: Stack
    rows: Rows
    angles: tuple[Angles, ...]  # by each of the stack's `ropes`
    tile: int  # tokens at once of an MLP that keeps nothing


@dataclass(slots=True)
class AttentionKept:
    """What attention's backward pass needs; x is the layer's input (T, K)."""

    scale: Tensor | None  # of the norm before it, (T,)
    a: Tensor
    qkv: Tensor  # rotated, unless queries and keys are normed: then as projected
    done: Attended
    o_a: Tensor
    behind: Behind | None


@dataclass(slots=True)
class Kept:
    """One layer's, from its forward to its backward pass."""

    x: Tensor  # (T, K), on the host if the policy says so
    attention: AttentionKept | None
    middle: Tensor | None  # (T, K), the MLP's input
    mlp: MlpKept | None


def forward(
    layer: Layer,
    x: Tensor,
    keep: Keep,
    how: Setting,
) -> tuple[Tensor, Kept]:
    """x (T, K), the layer's input -> its output (T, K), and what `keep` keeps for `backward`."""
    middle, attention = _attention(layer, x, how)
    if keep is Keep.ALL:
        out, done = mlp(layer, middle, how.stack.act)
        return out, Kept(x, attention, middle, done)
    out = _mlp_in_tiles(layer, middle, how)
    if keep is Keep.MLP_AGAIN:
        return out, Kept(x, attention, middle, None)
    return out, Kept(_to_host(x) if keep is Keep.HOST else x, None, None, None)


def _to_host(x: Tensor) -> Tensor:
    """A copy in page-locked memory, queued behind the work that made x."""
    there = torch.empty(x.shape, dtype=x.dtype, pin_memory=x.is_cuda)
    return there.copy_(x, non_blocking=True)


def backward(
    layer: Layer,
    kept: Kept,
    dx: Tensor,
    how: Setting,
    *,
    to_input: bool,
) -> Tensor:
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
            done = mlp(layer, part, how.stack.act)[1]
            parts.append(_mlp_backward(layer, part, done, d, how.stack.act))
        dx = parts[0] if len(parts) == 1 else torch.cat(parts)
        del part, parts, d, done
    kept.middle = middle = None
    return _attention_backward(layer, x, attention, dx, how, to_input)


def _entered_again(norm: Norm | None, x: Tensor, scale: Tensor | None) -> Tensor:
    if norm is None or scale is None:
        return x
    out = torch.empty_like(x)
    ops.rms_norm_again(x, norm.weight, scale, out)
    return out


def _entered_backward(
    norm: Norm | None,
    d: Tensor,
    x: Tensor,
    scale: Tensor | None,
    skip: Tensor,
) -> Tensor:
    """Through the norm before attention or MLP, d of its output, and `skip` that went round."""
    if norm is None or scale is None:
        return d.add_(skip)
    return ops.rms_norm_backward(d, x, norm.weight, scale, skip)


def _behind_backward(behind: Norm | float | None, kept: Behind | None, dx: Tensor) -> Tensor:
    """dx (T, K) of a sum -> of what attention or MLP gave into it."""
    if isinstance(behind, float):
        return dx * behind
    if behind is None or kept is None:
        return dx
    return ops.rms_norm_backward(dx, kept.y, behind.weight, kept.scale, torch.zeros_like(dx))


def _attention(
    layer: Layer,
    x: Tensor,
    how: Setting,
) -> tuple[Tensor, AttentionKept]:
    inner, scale = entered(layer.before_attention, x)
    qkv, a = layer.qkv.forward(inner)
    del inner
    q, k, v = rotated(how.stack, layer, qkv, how.angles[layer.rope], again=True)
    done = attend(q, k, v, how.rows, how.stack.scale, layer.window)
    attended = done.out.reshape(len(x), -1)
    out, o_a, behind = summed_product(layer.o, layer.behind_attention, attended, x)
    return out, AttentionKept(scale, a, qkv, done, o_a, behind)


def _attention_backward(
    layer: Layer,
    x: Tensor,
    kept: AttentionKept,
    dx: Tensor,
    how: Setting,
    to_input: bool,
) -> Tensor:
    stack, angles = how.stack, how.angles[layer.rope]
    attended = kept.done.out.reshape(len(x), -1)
    dy = _behind_backward(layer.behind_attention, kept.behind, dx)
    g = layer.o.dy_b(dy)
    layer.o.accumulate_grads(attended, kept.o_a, dy, g)
    d_attended = layer.o.backward(dy, g).view_as(kept.done.out)
    del attended, dy
    if layer.query_norm is None:
        q, k, v = in_heads(stack, kept.qkv, kept.qkv)
    else:
        q, k, v = rotated(stack, layer, kept.qkv, angles, again=True)
    dq, dk, dv = attend_backward(
        d_attended,
        q=q,
        k=k,
        v=v,
        done=kept.done,
        rows=how.rows,
        scale=stack.scale,
        window=layer.window,
    )
    d_qkv = _rotated_backward(stack, angles, dq, dk, dv)
    del dq, dk, dv, q, k, v, d_attended
    if layer.query_norm is not None:
        _head_normed_backward(layer, kept.qkv, d_qkv, stack)
    g = layer.qkv.dy_b(d_qkv)
    layer.qkv.accumulate_grads(
        _entered_again(layer.before_attention, x, kept.scale),
        kept.a,
        d_qkv,
        g,
    )
    if not to_input:
        return dx
    d_entered = layer.qkv.backward(d_qkv, g)
    return _entered_backward(
        layer.before_attention,
        d_entered,
        x,
        kept.scale,
        dx,
    )


def _rotated_backward(
    stack: Stack,
    angles: Angles,
    dq: Tensor,
    dk: Tensor,
    dv: Tensor,
) -> Tensor:
    """dq (T, H, D), dk and dv (T, H_kv, D) -> d (T, (H + 2 H_kv) D) of what `rotated` took."""
    tokens, (cut, end) = len(dq), stack.cuts
    if angles.stretch is not None:
        dq *= angles.stretch[:, None, None]
    d_qkv = dq.new_empty(tokens, end + stack.kv_heads * stack.head_dim)
    ops.rotate(dq.reshape(tokens, -1), angles.cos, angles.sin, stack.heads, -1.0, d_qkv)
    ops.rotate(
        dk.reshape(tokens, -1),
        angles.cos,
        angles.sin,
        stack.kv_heads,
        -1.0,
        d_qkv[:, cut:],
    )
    d_qkv[:, end:] = dv.reshape(tokens, -1)
    return d_qkv


def _head_normed_backward(
    layer: Layer,
    qkv: Tensor,
    d_qkv: Tensor,
    stack: Stack,
) -> None:
    """Through the norms of queries and keys, in place."""
    scales = head_normed(
        stack,
        layer,
        qkv,
        qkv.new_empty(len(qkv), stack.cuts[1]),
    )
    cut, end = stack.cuts
    norms = (layer.query_norm, slice(0, cut)), (layer.key_norm, slice(cut, end))
    for (norm, part), scale in zip(norms, scales, strict=True):
        assert norm is not None
        # One head, or a norm over all of them: no copy is made, and the kernel knows no strides.
        heads = qkv[:, part].reshape(-1, len(norm.weight)).contiguous()
        d = d_qkv[:, part].reshape(-1, len(norm.weight)).contiguous()
        d = ops.rms_norm_backward(
            d,
            heads,
            norm.weight,
            scale,
            torch.zeros_like(d),
        )
        d_qkv[:, part] = d.view(len(qkv), -1)


def _mlp_in_tiles(layer: Layer, x: Tensor, how: Setting) -> Tensor:
    parts = [mlp(layer, part, how.stack.act)[0] for part in torch.split(x, how.tile)]
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def _mlp_backward(
    layer: Layer,
    x: Tensor,
    kept: MlpKept,
    dx: Tensor,
    act: str,
) -> Tensor:
    assert kept.gate_up is not None
    group = layer.gate_up
    dy = _behind_backward(layer.behind_mlp, kept.behind, dx)
    g_down = layer.down.dy_b(dy)
    d_hidden = layer.down.base_backward(dy)
    d_gate_up = torch.empty_like(kept.gate_up)
    ops.gate_backward(
        d_hidden,
        g_down=g_down,
        a_down=layer.down.a,
        gate_up=kept.gate_up,
        a=kept.a,
        b=group.b,
        kind=act,
        out=d_gate_up,
    )
    kept.gate_up = None
    layer.down.accumulate_grads(d_hidden, kept.down_a, dy, g_down)  # by now it holds act(g) * u
    del d_hidden, dy
    g = group.dy_b(d_gate_up)
    group.accumulate_grads(
        _entered_again(layer.before_mlp, x, kept.scale),
        kept.a,
        d_gate_up,
        g,
    )
    d_entered = group.backward(d_gate_up, g)
    del d_gate_up
    return _entered_backward(
        layer.before_mlp,
        d_entered,
        x,
        kept.scale,
        dx,
    )
