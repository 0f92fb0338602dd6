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
def _tanh(x):
    return 2 * tl.sigmoid(2 * x) - 1


@triton.jit
def _gate(gate_up, out, size, out_stride, IS_SILU: tl.constexpr, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    at = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = at < size
    g = tl.load(gate_up + row * 2 * size + at, inside, 0.0).to(tl.float32)
    u = tl.load(gate_up + row * 2 * size + size + at, inside, 0.0).to(tl.float32)
    if IS_SILU:
        acted = g * tl.sigmoid(g)
    else:
        acted = 0.5 * g * (1 + _tanh(HALF_PI_ROOT * (g + 0.044715 * g * g * g)))
    tl.store(out + row * out_stride + at, acted * u, inside)


@triton.jit
def _gate_backward(
    dh, gate_up, out, size, dh_stride, out_stride, IS_SILU: tl.constexpr, BLOCK: tl.constexpr
):
    row = tl.program_id(0).to(tl.int64)
    at = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = at < size
    g = tl.load(gate_up + row * 2 * size + at, inside, 0.0).to(tl.float32)
    u = tl.load(gate_up + row * 2 * size + size + at, inside, 0.0).to(tl.float32)
    d = tl.load(dh + row * dh_stride + at, inside, 0.0).to(tl.float32)
    if IS_SILU:
        s = tl.sigmoid(g)
        acted = g * s
        slope = s * (1 + g * (1 - s))
    else:
        t = _tanh(HALF_PI_ROOT * (g + 0.044715 * g * g * g))
        acted = 0.5 * g * (1 + t)
        slope = 0.5 * (1 + t) + 0.5 * g * (1 - t * t) * HALF_PI_ROOT * (1 + 0.134145 * g * g)
    tl.store(out + row * out_stride + at, d * u * slope, inside)
    tl.store(out + row * out_stride + size + at, d * acted, inside)
    tl.store(dh + row * dh_stride + at, acted * u, inside)


@triton.jit
def _cross_entropy(
    logits, targets, factors, nats, vocabulary, stride, GRAD: tl.constexpr, BLOCK: tl.constexpr
):
    row = tl.program_id(0).to(tl.int64)
    start = logits + row * stride
    target = tl.load(targets + row)
    top = -float("inf")
    total = 0.0
    for first in range(0, vocabulary, BLOCK):
        at = first + tl.arange(0, BLOCK)
        values = tl.load(start + at, at < vocabulary, -float("inf")).to(tl.float32)
        highest = tl.maximum(top, tl.max(values))
        total = total * tl.exp(top - highest) + tl.sum(tl.exp(values - highest))
        top = highest
    sum_log = top + tl.log(total)
    tl.store(nats + row, sum_log - tl.load(start + target).to(tl.float32))
    if GRAD:
        factor = tl.load(factors + row)
        for first in range(0, vocabulary, BLOCK):
            at = first + tl.arange(0, BLOCK)
            values = tl.load(start + at, at < vocabulary, -float("inf")).to(tl.float32)
            slope = tl.exp(values - sum_log) - tl.where(at == target, 1.0, 0.0)
            tl.store(start + at, slope * factor, at < vocabulary)


def _warps(block: int) -> int:
    return 4 if block <= 2048 else 8 if block <= 8192 else 16


def rms_norm(x: Tensor, weight: Tensor, eps: float, out: Tensor) -> Tensor:
    scale = torch.empty(len(x), dtype=torch.float32, device=x.device)
    _launch_norm(x, weight, scale, out, eps, False)
    return scale


def rms_norm_again(x: Tensor, weight: Tensor, scale: Tensor, out: Tensor) -> None:
    _launch_norm(x, weight, scale, out, 0.0, True)


def _launch_norm(
    x: Tensor, weight: Tensor, scale: Tensor, out: Tensor, eps: float, again: bool
) -> None:
    size = weight.shape[0]
    block = triton.next_power_of_2(size)
    _rms_norm[(len(x),)](
        x, weight, scale, out, x.stride(0), out.stride(0), size, eps, again, block,
        num_warps=_warps(block),
    )  # fmt: skip


def rms_norm_backward(dy: Tensor, x: Tensor, weight: Tensor, scale: Tensor, skip: Tensor) -> Tensor:
    size = weight.shape[0]
    block = triton.next_power_of_2(size)
    out = torch.empty_like(x)
    _rms_norm_backward[(len(x),)](
        dy, x, weight, scale, skip, out, size, block, num_warps=_warps(block)
    )
    return out


def rotate(x: Tensor, cos: Tensor, sin: Tensor, heads: int, sign: float, out: Tensor) -> None:
    _rotate[(len(x),)](
        x, cos, sin, out, x.stride(0), out.stride(0), heads, sign, cos.shape[-1] // 2,
        triton.next_power_of_2(heads), num_warps=4,
    )  # fmt: skip


def gate(gate_up: Tensor, kind: str, out: Tensor) -> None:
    size = gate_up.shape[1] // 2
    grid = (len(gate_up), triton.cdiv(size, 1024))
    _gate[grid](gate_up, out, size, out.stride(0), kind == SILU, 1024, num_warps=4)


def gate_backward(dh: Tensor, gate_up: Tensor, kind: str, out: Tensor) -> None:
    size = gate_up.shape[1] // 2
    grid = (len(gate_up), triton.cdiv(size, 1024))
    _gate_backward[grid](
        dh, gate_up, out, size, dh.stride(0), out.stride(0), kind == SILU, 1024, num_warps=4
    )


def cross_entropy(logits: Tensor, targets: Tensor, factors: Tensor | None) -> Tensor:
    nats = torch.empty(len(logits), dtype=torch.float32, device=logits.device)
    if len(logits):
        _cross_entropy[(len(logits),)](
            logits, targets, factors if factors is not None else nats, nats, logits.shape[1],
            logits.stride(0), factors is not None, 4096, num_warps=8,
        )  # fmt: skip
    return nats
