"""Triton kernels of one decoding step for few rows; imported on CUDA only.

A step reads every weight once and computes next to nothing, so time is bytes over bandwidth plus
what each kernel's start costs. Nine kernels make a layer. What a group's adapters take in,
a = x A', is summed by the kernel that makes x, in parts: `Wide` carries both to the product, which
adds a B' to its outputs. Of many adapters a row takes in its own only; what it leaves out is not
written, so the product reads zero there. Attention over a cache in splits: Flash-Decoding (Dao et
al. 2023).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

from suretune.model.groups import Foreign, Group
from suretune.model.kv_cache import Cache
from suretune.model.layer_parts import head_normed
from suretune.model.ops import SILU
from suretune.model.product_kernels import product, stride_of
from suretune.model.stack import Layer, Norm, Stack
from suretune.model.weight import Dense

KEYS = 2**14  # bytes of keys at once
SPLIT = 128  # keys of a split, where there are programs to spare
PROGRAMS = 264  # two for each multiprocessor of a large card
GATE = 1024  # hidden units of a program
RANKS = 4  # of a program of `_normed`


class Wide(NamedTuple):
    """A product's input: x (B, K), and its adapters' a (B, parts, R) float32, to be summed.

    foreign (B, R or more) uint8: ranks of other rows' adapters, whose parts hold anything.
    """

    x: Tensor
    parts: Tensor | None = None
    foreign: Tensor | None = None


@triton.jit
def _normed(
    x,
    weight,
    down,
    out,
    parts,
    foreign,
    size,
    eps,
    down_stride8,
    out_stride,
    ranks,
    foreign_stride,
    RANKS: tl.constexpr,
    BLOCK: tl.constexpr,
    FOREIGN: tl.constexpr,
):
    """Every program norms the row again: cheaper than a kernel more."""
    row = tl.program_id(0).to(tl.int64)
    first = tl.program_id(1) * RANKS
    at = tl.arange(0, BLOCK)
    inside = at < size
    values = tl.load(x + row * size + at, inside, 0.0).to(tl.float32)
    scale = tl.rsqrt(tl.sum(values * values) / size + eps)
    values = values * scale * tl.load(weight + at, inside, 0.0).to(tl.float32)
    half = values.to(out.dtype.element_ty)
    if first == 0:
        tl.store(out + row * out_stride + at, half, inside)
    wanted = ranks > 0
    if FOREIGN:  # RANKS neighbours belong to one adapter
        wanted = wanted & (tl.load(foreign + row * foreign_stride + first) == 0)
    if wanted:
        for rank in tl.static_range(RANKS):
            line = down + (first + rank) * (down_stride8 * 8)
            a = tl.load(line + at, inside, 0.0).to(tl.float32)
            tl.store(parts + row * ranks + first + rank, tl.sum(a * half.to(tl.float32)))


@triton.jit
def _tanh(x):
    return 2 * tl.sigmoid(2 * x) - 1


@triton.jit
def _gated(
    gate_up,
    down,
    out,
    parts,
    foreign,
    size,
    down_stride8,
    out_stride,
    ranks,
    foreign_stride,
    IS_SILU: tl.constexpr,
    BLOCK: tl.constexpr,
    FOREIGN: tl.constexpr,
):
    row = tl.program_id(0).to(tl.int64)
    at = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = at < size
    g = tl.load(gate_up + row * 2 * size + at, inside, 0.0).to(tl.float32)
    u = tl.load(gate_up + row * 2 * size + size + at, inside, 0.0).to(tl.float32)
    if IS_SILU:
        acted = g * tl.sigmoid(g)
    else:
        acted = 0.5 * g * (1 + _tanh(0.7978845608028654 * (g + 0.044715 * g * g * g)))
    half = (acted * u).to(out.dtype.element_ty)
    tl.store(out + row * out_stride + at, half, inside)
    part = parts + (row * tl.num_programs(1) + tl.program_id(1)) * ranks
    mine = foreign + row * foreign_stride
    _take_in(down, down_stride8, at, inside, half, part, ranks, mine, FOREIGN)


@triton.jit
def _take_in(down, down_stride8, at, inside, half, part, ranks, foreign, FOREIGN: tl.constexpr):
    """Eight ranks at a time: part (ranks,) = the sum over these columns of x * A."""
    for first in range(0, ranks, 8):
        if FOREIGN:  # eight neighbours belong to one adapter
            if tl.load(foreign + first) == 0:
                _take_in_eight(down, down_stride8, at, inside, half, part, first)
        else:
            _take_in_eight(down, down_stride8, at, inside, half, part, first)


@triton.jit
def _take_in_eight(down, down_stride8, at, inside, half, part, first):
    eight = first + tl.arange(0, 8)
    lines = down + eight[:, None] * (down_stride8 * 8) + at[None, :]
    a = tl.load(lines, inside[None, :], 0.0).to(tl.float32)
    tl.store(part + eight, tl.sum(a * half.to(tl.float32)[None, :], 1))


@triton.jit
def _turned(at, inside, norm, cos, sin, half, eps, NORMED: tl.constexpr, HALF: tl.constexpr):
    """Both halves (heads, HALF) of heads at `at`, normed where asked, and rotated; float32."""
    low = tl.load(at, inside, 0.0).to(tl.float32)
    high = tl.load(at + HALF, inside, 0.0).to(tl.float32)
    if NORMED:
        r = tl.rsqrt((tl.sum(low * low, 1) + tl.sum(high * high, 1)) / (2 * HALF) + eps)[:, None]
        low *= r * tl.load(norm + half).to(tl.float32)[None, :]
        high *= r * tl.load(norm + HALF + half).to(tl.float32)[None, :]
    new_low = low * tl.load(cos + half)[None, :] - high * tl.load(sin + half)[None, :]
    new_high = high * tl.load(cos + HALF + half)[None, :]
    return new_low, new_high + low * tl.load(sin + HALF + half)[None, :]


@triton.jit
def _attend(
    qkv, q_norm, k_norm, cos, sin, positions, keys, values, partial, sums, scale, eps, window, room,
    heads, kv_heads, GROUP: tl.constexpr, ROWS: tl.constexpr, HALF: tl.constexpr,
    BLOCK: tl.constexpr, NORMED: tl.constexpr, WINDOW: tl.constexpr,
):  # fmt: skip
    """One row, one key head and its GROUP query heads, one split of the row's keys."""
    row = tl.program_id(0).to(tl.int64)
    head, split, splits = tl.program_id(1), tl.program_id(2), tl.num_programs(2)
    size: tl.constexpr = 2 * HALF
    kind = keys.dtype.element_ty
    position = tl.load(positions + row).to(tl.int32)
    half, whole, member = tl.arange(0, HALF), tl.arange(0, size), tl.arange(0, ROWS)
    one = tl.arange(0, 1)[:, None]
    cos += position * size
    sin += position * size
    line = qkv + row * (heads + 2 * kv_heads) * size
    asked = line + (head * GROUP + member)[:, None] * size + half[None, :]
    inside = (member < GROUP)[:, None] & (half >= 0)[None, :]
    q_low, q_high = _turned(asked, inside, q_norm, cos, sin, half, eps, NORMED, HALF)
    q_low, q_high = q_low.to(kind), q_high.to(kind)
    known = line + (heads + head + one) * size + half[None, :]
    real = (one == 0) & (half >= 0)[None, :]
    k_low, k_high = _turned(known, real, k_norm, cos, sin, half, eps, NORMED, HALF)
    k_low, k_high = k_low.to(kind), k_high.to(kind)
    value = tl.load(line + (heads + kv_heads + head) * size + whole)
    # The new token's key and value: the first split keeps them, and begins with them.
    own = row * room * kv_heads * size + head * size
    new = own + position.to(tl.int64) * kv_heads * size
    mine = split == 0
    tl.store(keys + new + half[None, :], k_low, mine)
    tl.store(keys + new + HALF + half[None, :], k_high, mine)
    tl.store(values + new + whole, value, mine)
    score = tl.sum(q_low.to(tl.float32) * k_low.to(tl.float32), 1)
    score += tl.sum(q_high.to(tl.float32) * k_high.to(tl.float32), 1)
    scale = scale * 1.4426950408889634  # of powers of two
    top = tl.where(mine, score * scale, -float("inf"))
    total = tl.where(mine, tl.full((ROWS,), 1.0, tl.float32), 0.0)
    begun = tl.where(mine, value.to(tl.float32), 0.0)
    summed = tl.zeros((ROWS, size), tl.float32) + begun[None, :]
    start = 0
    if WINDOW:
        start = tl.maximum(position - window + 1, 0)
    share = tl.cdiv(tl.cdiv(position - start, splits), BLOCK) * BLOCK
    first = start + split * share
    top, total, summed = _gather(
        q_low, q_high, keys + own, values + own, first, tl.minimum(first + share, position),
        kv_heads * size, scale, top, total, summed, half, whole, HALF, BLOCK,
    )  # fmt: skip
    at = (row * heads + head * GROUP + member) * splits + split
    tl.store(sums + at, top + tl.log2(total), member < GROUP)
    summed = summed / tl.where(total > 0, total, 1.0)[:, None]
    tl.store(partial + at[:, None] * size + whole[None, :], summed, (member < GROUP)[:, None])


@triton.jit
def _gather(
    q_low,
    q_high,
    keys,
    values,
    first,
    last,
    stride,
    scale,
    top,
    total,
    summed,
    half,
    whole,
    HALF: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Softmax on the fly over the keys from first to last: its top, its total, the values' sum."""
    many = tl.arange(0, BLOCK)
    for begin in range(first, last, BLOCK):
        there = begin + many < last
        place = (begin + many).to(tl.int64) * stride
        low = tl.load(keys + place[None, :] + half[:, None], there[None, :], 0.0)
        high = tl.load(keys + place[None, :] + HALF + half[:, None], there[None, :], 0.0)
        found = tl.dot(q_low, low, input_precision="ieee")
        found = tl.dot(q_high, high, found, input_precision="ieee") * scale
        found = tl.where(there[None, :], found, -float("inf"))
        highest = tl.maximum(top, tl.max(found, 1))
        weights = tl.exp2(found - highest[:, None])
        fade = tl.exp2(top - highest)
        total = total * fade + tl.sum(weights, 1)
        v = tl.load(values + place[:, None] + whole[None, :], there[:, None], 0.0)
        summed = tl.dot(weights.to(v.dtype), v, summed * fade[:, None], input_precision="ieee")
        top = highest
    return top, total, summed


@triton.jit(do_not_specialize=["splits", "ranks", "foreign_stride"])
def _combine(
    partial,
    sums,
    down,
    out,
    parts,
    foreign,
    down_stride8,
    out_stride,
    splits,
    ranks,
    foreign_stride,
    SIZE: tl.constexpr,
    SPLITS: tl.constexpr,
    FOREIGN: tl.constexpr,
):
    """One row and query head: its splits weighed, and its share of o's a."""
    row, head, heads = tl.program_id(0).to(tl.int64), tl.program_id(1), tl.num_programs(1)
    many, whole = tl.arange(0, SPLITS), tl.arange(0, SIZE)
    at = (row * heads + head) * splits + many
    logs = tl.load(sums + at, many < splits, -float("inf"))
    weights = tl.exp2(logs - tl.max(logs))
    found = tl.load(partial + at[:, None] * SIZE + whole[None, :], (many < splits)[:, None], 0.0)
    summed = tl.sum(found * weights[:, None], 0) / tl.sum(weights)
    half = summed.to(out.dtype.element_ty)
    column = head * SIZE + whole
    tl.store(out + row * out_stride + column, half)
    part = parts + (row * heads + head) * ranks
    mine = foreign + row * foreign_stride
    _take_in(down, down_stride8, column, whole >= 0, half, part, ranks, mine, FOREIGN)


def normed(x: Tensor, norm: Norm, group: Group, foreign: Foreign | None = None) -> Wide:
    """RMS norm of x (B, K), and what the group's adapters take in."""
    wide = x.new_empty(len(x), group.k)
    parts = _parts(wide, 1, group)
    block = triton.next_power_of_2(group.k)
    grid = (len(x), max(group.r // RANKS, 1))
    other = _other(group, foreign)
    _normed[grid](
        x,
        norm.weight,
        group.a,
        wide,
        parts,
        parts if other is None else other,
        group.k,
        norm.eps,
        group.k // 8,
        group.k,
        group.r,
        stride_of(other),
        RANKS,
        block,
        other is not None,
        num_warps=4 if block <= 2048 else 8,
    )
    return Wide(wide, parts, other)


def _other(group: Group, foreign: Foreign | None) -> Tensor | None:
    """As a kernel reads it; none where nothing is foreign."""
    return foreign[len(group.sizes)].view(torch.uint8) if foreign and group.r else None


def gated(gate_up: Tensor, act: str, group: Group, foreign: Foreign | None = None) -> Wide:
    """act(g) * u of gate_up (B, 2 I) = [g u], and what the group's adapters take in."""
    wide = gate_up.new_empty(len(gate_up), group.k)
    grid = (len(gate_up), triton.cdiv(group.k, GATE))
    parts = _parts(wide, grid[1], group)
    other = _other(group, foreign)
    _gated[grid](
        gate_up,
        group.a,
        wide,
        parts,
        parts if other is None else other,
        group.k,
        group.k // 8,
        group.k,
        group.r,
        stride_of(other),
        act == SILU,
        GATE,
        other is not None,
        num_warps=4,
    )
    return Wide(wide, parts, other)


def _parts(like: Tensor, count: int, group: Group) -> Tensor:
    return like.new_empty(len(like), count, group.r, dtype=torch.float32)


def attend(
    stack: Stack,
    layer: Layer,
    qkv: Tensor,
    positions: Tensor,
    kept: tuple[Tensor, Tensor],
    cache: Cache,
    take_in: bool,
    foreign: Foreign | None = None,
) -> Wide:
    """qkv (B, (H + 2 H_kv) D) as projected, positions (B,) of these tokens, kept keys and values
    (B, room, H_kv, D), which get the new ones; what o shall multiply. Up to 2**31 values a row.
    """
    rows, group, size = len(qkv), layer.o, stack.head_dim
    members = stack.heads // stack.kv_heads
    room = kept[0].shape[1]
    block = max(16, min(64, KEYS // (size * qkv.element_size())))
    splits = max(1, min(triton.cdiv(room, SPLIT), PROGRAMS // (rows * stack.kv_heads)))
    partial = qkv.new_empty(rows, stack.heads, splits, size, dtype=torch.float32)
    sums = qkv.new_empty(rows, stack.heads, splits, dtype=torch.float32)
    norms, (cos, sin, stretch) = (layer.query_norm, layer.key_norm), cache.angles[layer.rope]
    if norms[0] is not None and len(norms[0].weight) != size:  # all heads as one
        head_normed(stack, layer, qkv, qkv)
        norms = None, None
    if stretch is not None:  # before they are turned: that changes nothing, where no norm comes
        assert norms[0] is None
        qkv[:, : stack.cuts[0]] *= stretch[positions][:, None]
    first, second = (cos if norm is None else norm.weight for norm in norms)
    _attend[(rows, stack.kv_heads, splits)](
        qkv,
        first,
        second,
        cos,
        sin,
        positions,
        *kept,
        partial,
        sums,
        stack.scale,
        norms[0].eps if norms[0] else 0.0,
        layer.window or 0,
        room,
        stack.heads,
        stack.kv_heads,
        members,
        max(16, triton.next_power_of_2(members)),
        size // 2,
        block,
        norms[0] is not None,
        layer.window is not None,
        num_warps=4,
    )
    wide = qkv.new_empty(rows, group.k)
    parts, other = _parts(wide, stack.heads, group), _other(group, foreign)
    _combine[(rows, stack.heads)](
        partial, sums, group.a, wide, parts, parts if other is None else other, group.k // 8,
        group.k, splits, group.r if take_in else 0, stride_of(other), size,
        triton.next_power_of_2(splits), other is not None, num_warps=4,
    )  # fmt: skip
    return Wide(wide, parts, other)


def times(group: Group, wide: Wide, residual: Tensor | None = None) -> Tensor:
    """(B, N): the group's outputs for at most 16 rows, its adapters' share and residual added."""
    assert isinstance(group.weight, Dense)  # see `decode_layers._narrow`
    return product(
        group.weight.values,
        wide.x,
        wide.parts,
        group.b,
        group.bias,
        residual,
        foreign=wide.foreign,
    )
