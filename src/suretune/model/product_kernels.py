"""Triton's product of few rows with a weight matrix, adapters included; imported on CUDA only."""

from __future__ import annotations

import triton
import triton.language as tl
from torch import Tensor

from suretune.model import tiles
from suretune.model.tiles import Tile

MOST = 256  # ranks that a program adds at once


@triton.jit(do_not_specialize=["m", "b_stride8", "foreign_stride", "ranks", "count"])
def _product(
    x, w, bias, residual, parts, b, foreign, out, m, n, k, x_stride8, w_stride8, b_stride8,
    foreign_stride, ranks, count,
    ROWS: tl.constexpr, BIAS: tl.constexpr, RESIDUAL: tl.constexpr, RANKS: tl.constexpr,
    COUNT: tl.constexpr, MANY: tl.constexpr, FOREIGN: tl.constexpr, N: tl.constexpr,
    K: tl.constexpr, STAGES: tl.constexpr,
):  # fmt: skip
    """N outputs of all rows. Strides count 8 elements, so that 16 bytes are read at once."""
    line = tl.program_id(0) * N + tl.arange(0, N)
    row = tl.arange(0, ROWS)
    real, there = line < n, row < m
    start = w + tl.where(real, line, 0).to(tl.int64)[:, None] * (w_stride8 * 8)
    at = tl.arange(0, K)
    if ROWS == 1:
        wide = tl.zeros((N, K), tl.float32)
        for first in tl.range(0, k, K, num_stages=STAGES):
            inside = first + at < k
            weights = tl.load(start + (first + at)[None, :], inside[None, :], 0.0)
            values = tl.load(x + first + at, inside, 0.0).to(tl.float32)
            wide += weights.to(tl.float32) * values[None, :]
        y = tl.sum(wide, 1)[:, None]
    else:
        y = tl.zeros((N, ROWS), tl.float32)
        turned = x + row[None, :] * (x_stride8 * 8)
        for first in tl.range(0, k, K, num_stages=STAGES):
            inside = first + at < k
            weights = tl.load(start + (first + at)[None, :], inside[None, :], 0.0)
            values = tl.load(
                turned + (first + at)[:, None],
                inside[:, None] & there[None, :],
                0.0,
            )
            y = tl.dot(weights, values, y)
    if RANKS > 0:
        lines = b + tl.where(real, line, 0).to(tl.int64)[:, None] * (b_stride8 * 8)
        if MANY:
            for low in tl.range(0, ranks, RANKS, num_stages=1):
                y = _plus_ranks(
                    y, lines, parts, foreign, low, row, there, foreign_stride, ranks, count,
                    ROWS, RANKS, COUNT, FOREIGN,
                )  # fmt: skip
        else:
            y = _plus_ranks(
                y, lines, parts, foreign, 0, row, there, foreign_stride, ranks, count,
                ROWS, RANKS, COUNT, FOREIGN,
            )  # fmt: skip
    if BIAS:
        y += tl.load(bias + line, real, 0.0).to(tl.float32)[:, None]
    target = row[None, :].to(tl.int64) * n + line[:, None]
    good = real[:, None] & there[None, :]
    if RESIDUAL:
        y += tl.load(residual + target, good, 0.0).to(tl.float32)
    tl.store(out + target, y, good)


@triton.jit
def _plus_ranks(
    y,
    lines,
    parts,
    foreign,
    low,
    row,
    there,
    foreign_stride,
    ranks,
    count,
    ROWS: tl.constexpr,
    RANKS: tl.constexpr,
    COUNT: tl.constexpr,
    FOREIGN: tl.constexpr,
):
    """y (N, ROWS) + B a' over RANKS ranks from `low` on; a is summed from its parts here."""
    rank, some = low + tl.arange(0, RANKS), tl.arange(0, COUNT)
    few = rank < ranks
    a = tl.zeros((ROWS, RANKS), tl.float32)
    for first in range(0, count, COUNT):
        spot = (row[:, None] * count + first + some[None, :])[:, :, None] * ranks
        mask = there[:, None] & (first + some < count)[None, :]
        mask = mask[:, :, None] & few[None, None, :]
        a += tl.sum(tl.load(parts + spot + rank[None, None, :], mask, 0.0), 1)
    if FOREIGN:
        spots = foreign + row[:, None] * foreign_stride + rank[None, :]
        other = tl.load(spots, there[:, None] & few[None, :], 1)
        a = tl.where(other == 0, a, 0.0)
    up = tl.load(lines + rank[None, :], few[None, :], 0.0)
    if ROWS == 1:
        y += tl.sum(up.to(tl.float32) * a, 1)[:, None]
    else:
        y = tl.dot(up, tl.trans(a.to(up.dtype)), y)
    return y


def product(
    w: Tensor,
    x: Tensor,
    parts: Tensor | None = None,
    b: Tensor | None = None,
    bias: Tensor | None = None,
    residual: Tensor | None = None,
    tile: Tile | None = None,
    foreign: Tensor | None = None,
) -> Tensor:
    """x (B, K) w' + a b' with w (N, K), b (N, R) and a the sum of parts (B, count, R); (B, N).

    B is at most 16, rows of x, w and b begin at multiples of 8 elements, K is a multiple of 8.
    """
    n, k = w.shape
    ranks, count = (0, 0) if parts is None else (parts.shape[2], parts.shape[1])
    chosen = tile or tiles.tile_for(len(x), n, x.element_size(), tiles.room_of(x.device))
    rows = 1 if len(x) == 1 else 16
    padded = max(16, triton.next_power_of_2(ranks)) if ranks else 0
    many = padded > MOST
    padded = min(padded, MOST)
    at_once = min(triton.next_power_of_2(count), max(1, 2048 // (rows * padded))) if ranks else 1
    out = x.new_empty(len(x), n)
    _product[(triton.cdiv(n, chosen.n),)](
        x,
        w,
        w if bias is None else bias,
        x if residual is None else residual,
        x if parts is None else parts,
        w if b is None else b,
        x if foreign is None else foreign,
        out,
        len(x),
        n,
        k,
        x.stride(0) // 8,
        w.stride(0) // 8,
        0 if b is None else b.stride(0) // 8,
        stride_of(foreign),
        ranks,
        count,
        rows,
        bias is not None,
        residual is not None,
        padded,
        at_once,
        many,
        foreign is not None,
        chosen.n,
        chosen.k,
        chosen.stages,
        num_warps=chosen.warps,
    )
    return out


def stride_of(lines: Tensor | None) -> int:
    """From one line to the next, of a tensor that may be missing."""
    return 0 if lines is None else lines.stride(0)
