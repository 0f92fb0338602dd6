"""Triton kernels of `ops.py`; imported on CUDA only. Names, shapes and formulas are given there."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

SILU = "silu"

HALF_PI_ROOT = tl.constexpr(0.7978845608028654)  # sqrt(2 / pi)


@triton.jit
def _rms_norm(
    x, weight, scale, out, x_stride, out_stride, size, eps, AGAIN: tl.constexpr, BLOCK: tl.constexpr
):
    row = tl.program_id(0).to(tl.int64)
    at = tl.arange(0, BLOCK)
    inside = at < size
    values = tl.load(x + row * x_stride + at, inside, 0.0).to(tl.float32)
    if AGAIN:
        r = tl.load(scale + row)
    else:
        r = tl.rsqrt(tl.sum(values * values) / size + eps)
        tl.store(scale + row, r)
    w = tl.load(weight + at, inside, 0.0).to(tl.float32)
    tl.store(out + row * out_stride + at, values * r * w, inside)


@triton.jit
def _rms_norm_backward(dy, x, weight, scale, skip, out, size, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    at = tl.arange(0, BLOCK)
    inside = at < size
    r = tl.load(scale + row)
    unit = tl.load(x + row * size + at, inside, 0.0).to(tl.float32) * r
    weighted = tl.load(dy + row * size + at, inside, 0.0).to(tl.float32)
    weighted *= tl.load(weight + at, inside, 0.0).to(tl.float32)
    mean = tl.sum(weighted * unit) / size
    passed = tl.load(skip + row * size + at, inside, 0.0).to(tl.float32)
    tl.store(out + row * size + at, passed + r * (weighted - unit * mean), inside)


@triton.jit
def _rotate(
    x, cos, sin, out, x_stride, out_stride, heads, sign, HALF: tl.constexpr, HEADS: tl.constexpr
):
    row = tl.program_id(0).to(tl.int64)
    half = tl.arange(0, HALF)
    head = tl.arange(0, HEADS)
    inside = (head < heads)[:, None] & (half >= 0)[None, :]
    at = head[:, None] * (2 * HALF) + half[None, :]
    low = tl.load(x + row * x_stride + at, inside, 0.0).to(tl.float32)
    high = tl.load(x + row * x_stride + at + HALF, inside, 0.0).to(tl.float32)
    c_low = tl.load(cos + row * 2 * HALF + half)[None, :]
    c_high = tl.load(cos + row * 2 * HALF + HALF + half)[None, :]
    s_low = tl.load(sin + row * 2 * HALF + half)[None, :] * sign
    s_high = tl.load(sin + row * 2 * HALF + HALF + half)[None, :] * sign
    tl.store(out + row * out_stride + at, low * c_low - high * s_low, inside)
    tl.store(out + row * out_stride + at + HALF, high * c_high + low * s_high, inside)


@triton.jit
def _segment_sum(
    values,
    places,
    bounds,
    out,
    size,
    COPIES: tl.constexpr,
    BLOCK: tl.constexpr,
):
    row = tl.program_id(0).to(tl.int64)
    at = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = at < size
    total = tl.zeros((BLOCK,), tl.float32)
    begin = tl.load(bounds + row)
    end = tl.load(bounds + row + 1)
    for start in range(begin, end, COPIES):
        copy = start + tl.arange(0, COPIES)
        mine = copy < end
        place = tl.load(places + copy, mine, 0)
        tile = values + place[:, None] * size + at[None, :]
        part = tl.load(tile, mine[:, None] & inside[None, :], 0.0)
        total += tl.sum(part.to(tl.float32), 0)
    tl.store(out + row * size + at, total, inside)


@triton.jit
def _tanh(x):
    return 2 * tl.sigmoid(2 * x) - 1


@triton.jit
def _plus(values, left, right, precise: tl.constexpr):
    """values (TOKENS, UNITS) + left (TOKENS, RANKS) right (RANKS, UNITS)."""
    if precise:
        return values + tl.dot(left, right, input_precision="ieee")
    return values + tl.dot(left, right)


@triton.jit
def _gate_parts(
    gate_up,
    a,
    b,
    token,
    unit,
    inside,
    tokens,
    size,
    ranks,
    b_stride,
    RANKS: tl.constexpr,
    PRECISE: tl.constexpr,
):
    """g and u of a tile, the adapters' share added; float32 (TOKENS, UNITS)."""
    row = token.to(tl.int64)[:, None] * 2 * size
    g = tl.load(gate_up + row + unit[None, :], inside, 0.0).to(tl.float32)
    u = tl.load(gate_up + row + size + unit[None, :], inside, 0.0).to(tl.float32)
    if RANKS:
        rank = tl.arange(0, RANKS)
        few = rank < ranks
        left = tl.load(
            a + token[:, None] * ranks + rank[None, :],
            few[None, :] & (token < tokens)[:, None],
            0.0,
        )
        seen = few[:, None] & (unit < size)[None, :]
        up = unit[None, :].to(tl.int64) * b_stride + rank[:, None]
        g = _plus(g, left, tl.load(b + up, seen, 0.0), PRECISE)
        u = _plus(u, left, tl.load(b + size.to(tl.int64) * b_stride + up, seen, 0.0), PRECISE)
    return g, u


@triton.jit
def _gate(
    gate_up,
    a,
    b,
    out,
    tokens,
    size,
    ranks,
    b_stride,
    RANKS: tl.constexpr,
    IS_SILU: tl.constexpr,
    PRECISE: tl.constexpr,
    TOKENS: tl.constexpr,
    UNITS: tl.constexpr,
):
    token = tl.program_id(0) * TOKENS + tl.arange(0, TOKENS)
    unit = tl.program_id(1) * UNITS + tl.arange(0, UNITS)
    inside = (token < tokens)[:, None] & (unit < size)[None, :]
    g, u = _gate_parts(
        gate_up, a, b, token, unit, inside, tokens, size, ranks, b_stride, RANKS, PRECISE
    )
    if IS_SILU:
        acted = g * tl.sigmoid(g)
    else:
        acted = 0.5 * g * (1 + _tanh(HALF_PI_ROOT * (g + 0.044715 * g * g * g)))
    at = token.to(tl.int64)[:, None] * size + unit[None, :]
    tl.store(out + at, acted * u, inside)


@triton.jit
def _gate_backward(
    dh,
    g_down,
    a_down,
    gate_up,
    a,
    b,
    out,
    tokens,
    size,
    ranks,
    b_stride,
    down_ranks,
    RANKS: tl.constexpr,
    DOWN: tl.constexpr,
    IS_SILU: tl.constexpr,
    PRECISE: tl.constexpr,
    TOKENS: tl.constexpr,
    UNITS: tl.constexpr,
):
    token = tl.program_id(0) * TOKENS + tl.arange(0, TOKENS)
    unit = tl.program_id(1) * UNITS + tl.arange(0, UNITS)
    inside = (token < tokens)[:, None] & (unit < size)[None, :]
    g, u = _gate_parts(
        gate_up, a, b, token, unit, inside, tokens, size, ranks, b_stride, RANKS, PRECISE
    )
    at = token.to(tl.int64)[:, None] * size + unit[None, :]
    d = tl.load(dh + at, inside, 0.0).to(tl.float32)
    if DOWN:
        rank = tl.arange(0, DOWN)
        few = rank < down_ranks
        left = tl.load(
            g_down + token[:, None] * down_ranks + rank[None, :],
            few[None, :] & (token < tokens)[:, None],
            0.0,
        )
        right = tl.load(
            a_down + rank[:, None] * size + unit[None, :],
            few[:, None] & (unit < size)[None, :],
            0.0,
        )
        d = _plus(d, left, right, PRECISE)
    if IS_SILU:
        s = tl.sigmoid(g)
        acted = g * s
        slope = s * (1 + g * (1 - s))
    else:
        t = _tanh(HALF_PI_ROOT * (g + 0.044715 * g * g * g))
        acted = 0.5 * g * (1 + t)
        slope = 0.5 * (1 + t) + 0.5 * g * (1 - t * t) * HALF_PI_ROOT * (1 + 0.134145 * g * g)
    twice = token.to(tl.int64)[:, None] * 2 * size + unit[None, :]
    tl.store(out + twice, d * u * slope, inside)
    tl.store(out + twice + size, d * acted, inside)
    tl.store(dh + at, acted * u, inside)


@triton.jit
def _quantize(x, out, scales, size, stride, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    largest = 0.0
    for first in range(0, size, BLOCK):
        at = first + tl.arange(0, BLOCK)
        values = tl.load(x + row * stride + at, at < size, 0.0).to(tl.float32)
        largest = tl.maximum(largest, tl.max(tl.abs(values)))
    scale = tl.maximum(largest, 1e-12) / 448
    tl.store(scales + row, scale)
    for first in range(0, size, BLOCK):
        at = first + tl.arange(0, BLOCK)
        values = tl.load(x + row * stride + at, at < size, 0.0).to(tl.float32)
        tl.store(out + row * size + at, (values / scale).to(tl.float8e4nv), at < size)


def quantize(x: Tensor) -> tuple[Tensor, Tensor]:
    """`ops.quantize`: one row a program, its largest value found first."""
    rows, size = x.shape
    out = torch.empty(rows, size, dtype=torch.float8_e4m3fn, device=x.device)
    scales = torch.empty(rows, 1, dtype=torch.float32, device=x.device)
    if rows:
        block = min(triton.next_power_of_2(size), 65536)  # a whole row in registers, read once
        warps = 32 if block > 16384 else 8 if block > 2048 else 4
        _quantize[(rows,)](x, out, scales, size, x.stride(0), block, num_warps=warps)
    return out, scales


@triton.jit
def _mirror(addresses, sizes, scales, like, BLOCK: tl.constexpr):
    place = tl.program_id(0)
    rows = tl.load(sizes + place * 3)
    columns = tl.load(sizes + place * 3 + 1)
    stride = tl.load(sizes + place * 3 + 2)
    at = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = at < rows * columns
    there = tl.load(addresses + place * 2).to(like.dtype)
    master = tl.load(addresses + place * 2 + 1).to(tl.pointer_type(tl.float32))
    values = tl.load(master + at, inside, 0.0) * tl.load(scales + place)
    tl.store(there + at // columns * stride + at % columns, values, inside)


def mirror(addresses: Tensor, sizes: Tensor, scales: Tensor, largest: int, like: Tensor) -> None:
    """Every float32 master times its scale into its place; `like` gives the places' dtype.

    Of P masters: addresses (P, 2) int64, sizes (P, 3) int64 of rows, columns and the place's
    stride, scales (P,) float32; `largest`: values of the largest master.
    """
    if len(addresses):
        grid = (len(addresses), triton.cdiv(largest, 4096))
        _mirror[grid](addresses, sizes, scales, like, 4096, num_warps=8)


def _warps(block: int) -> int:
    return 4 if block <= 2048 else 8 if block <= 8192 else 16


def rms_norm(x: Tensor, weight: Tensor, eps: float, out: Tensor) -> Tensor:
    """`ops.rms_norm`; x and out may have a stride between rows, not within one."""
    scale = torch.empty(len(x), dtype=torch.float32, device=x.device)
    _launch_norm(x, weight, scale, out, eps, False)
    return scale


def rms_norm_again(x: Tensor, weight: Tensor, scale: Tensor, out: Tensor) -> None:
    """`ops.rms_norm_again`, by the same kernel."""
    _launch_norm(x, weight, scale, out, 0.0, True)


def _launch_norm(
    x: Tensor, weight: Tensor, scale: Tensor, out: Tensor, eps: float, again: bool
) -> None:
    size = weight.shape[0]
    block = triton.next_power_of_2(size)
    _rms_norm[(len(x),)](
        x,
        weight,
        scale,
        out,
        x.stride(0),
        out.stride(0),
        size,
        eps,
        again,
        block,
        num_warps=_warps(block),
    )


def rms_norm_backward(dy: Tensor, x: Tensor, weight: Tensor, scale: Tensor, skip: Tensor) -> Tensor:
    """`ops.rms_norm_backward`; all of (T, K) are contiguous."""
    size = weight.shape[0]
    block = triton.next_power_of_2(size)
    out = torch.empty_like(x)
    _rms_norm_backward[(len(x),)](
        dy, x, weight, scale, skip, out, size, block, num_warps=_warps(block)
    )
    return out


def rotate(x: Tensor, cos: Tensor, sin: Tensor, heads: int, sign: float, out: Tensor) -> None:
    """`ops.rotate`: one token a program; x and out may have a stride between rows."""
    _rotate[(len(x),)](
        x,
        cos,
        sin,
        out,
        x.stride(0),
        out.stride(0),
        heads,
        sign,
        cos.shape[-1] // 2,
        triton.next_power_of_2(heads),
        num_warps=4,
    )


def segment_sum(values: Tensor, places: Tensor, bounds: Tensor) -> Tensor:
    """`ops.segment_sum`, always in the same order; values (N, ...) are contiguous."""
    size = values[0].numel()
    out = values.new_empty(len(bounds) - 1, *values.shape[1:])
    grid = (len(out), triton.cdiv(size, 256))
    _segment_sum[grid](values, places, bounds, out, size, 16, 256, num_warps=4)
    return out


MOST = 128  # ranks that a gate kernel adds by itself; more are added before it


def _block(ranks: int) -> int:
    """Ranks as the kernels know them: a power of two that tensor cores take, or none."""
    return max(16, triton.next_power_of_2(ranks)) if ranks else 0


def gate(gate_up: Tensor, a: Tensor, b: Tensor, kind: str, out: Tensor) -> None:
    """`ops.gate`; more than MOST ranks are added by a product before, which takes memory."""
    if a.shape[1] > MOST:
        gate_up, a = torch.addmm(gate_up, a, b.t()), a[:, :0]
    tokens, size = out.shape
    ranks = a.shape[1]
    grid = (triton.cdiv(tokens, 32), triton.cdiv(size, 128))
    _gate[grid](
        gate_up,
        a,
        b,
        out,
        tokens,
        size,
        ranks,
        b.stride(0),
        _block(ranks),
        kind == SILU,
        out.dtype == torch.float32,
        32,
        128,
        num_warps=4,
    )


def gate_backward(
    dh: Tensor,
    g_down: Tensor,
    a_down: Tensor,
    gate_up: Tensor,
    a: Tensor,
    b: Tensor,
    kind: str,
    out: Tensor,
) -> None:
    """`ops.gate_backward`; more than MOST ranks of either product are added before."""
    if a.shape[1] > MOST:
        gate_up, a = torch.addmm(gate_up, a, b.t()), a[:, :0]
    if g_down.shape[1] > MOST:
        dh.addmm_(g_down, a_down)
        g_down = g_down[:, :0]
    tokens, size = dh.shape
    ranks, down = a.shape[1], g_down.shape[1]
    grid = (triton.cdiv(tokens, 16), triton.cdiv(size, 128))
    _gate_backward[grid](
        dh, g_down, a_down, gate_up, a, b, out, tokens, size, ranks, b.stride(0), down,
        _block(ranks), _block(down), kind == SILU, out.dtype == torch.float32, 16, 128, num_warps=4,
    )  # fmt: skip
