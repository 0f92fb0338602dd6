"""Triton kernels of the losses and their gradients; imported on CUDA only.

Names, shapes and formulas are given in `ops.py`.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor


@triton.jit
def _cross_entropy(
    logits,
    targets,
    factors,
    nats,
    vocabulary,
    stride,
    GRAD: tl.constexpr,
    BLOCK: tl.constexpr,
):
    row = tl.program_id(0).to(tl.int64)
    start = logits + row * stride
    target = tl.load(targets + row)
    top = -float("inf")
    total = 0.0
    for first in range(0, vocabulary, BLOCK):
        at = first + tl.arange(0, BLOCK)
        values = tl.load(start + at, at < vocabulary, -float("inf")).to(tl.float32)
        top, total = _more(values, top, total)
    sum_log = top + tl.log(total)
    tl.store(nats + row, sum_log - tl.load(start + target).to(tl.float32))
    if GRAD:
        factor = tl.load(factors + row)
        for first in range(0, vocabulary, BLOCK):
            at = first + tl.arange(0, BLOCK)
            values = tl.load(start + at, at < vocabulary, -float("inf")).to(tl.float32)
            slope = tl.exp(values - sum_log) - tl.where(at == target, 1.0, 0.0)
            tl.store(start + at, slope * factor, at < vocabulary)


@triton.jit
def _more(values, top, total):
    """The largest value so far and the sum of exp(value - largest), of one block more."""
    highest = tl.maximum(top, tl.max(values))
    shift = tl.where(highest == -float("inf"), 0.0, highest)  # all masked so far
    return highest, total * tl.exp(top - shift) + tl.sum(tl.exp(values - shift))


@triton.jit
def _jeffreys(
    logits,
    base,
    factors,
    nats,
    vocabulary,
    stride,
    base_stride,
    LEAST: tl.constexpr,
    BLOCK: tl.constexpr,
):
    row = tl.program_id(0).to(tl.int64)
    start = logits + row * stride
    held = base + row * base_stride
    top = -float("inf")
    base_top = -float("inf")
    total = 0.0
    base_total = 0.0
    for first in range(0, vocabulary, BLOCK):
        at = first + tl.arange(0, BLOCK)
        inside = at < vocabulary
        top, total = _more(
            tl.load(start + at, inside, -float("inf")).to(tl.float32),
            top,
            total,
        )
        base_top, base_total = _more(
            tl.load(held + at, inside, -float("inf")).to(tl.float32),
            base_top,
            base_total,
        )
    sum_log = top + tl.log(total)
    base_log = base_top + tl.log(base_total)
    away = 0.0  # KL(base || tuned)
    back = 0.0  # KL(tuned || base), which the slope needs before it can be written
    for first in range(0, vocabulary, BLOCK):
        at = first + tl.arange(0, BLOCK)
        inside = at < vocabulary
        now = tl.load(start + at, inside, 0.0).to(tl.float32) - sum_log
        then = tl.load(held + at, inside, 0.0).to(tl.float32) - base_log
        gap = tl.maximum(now, LEAST) - tl.maximum(then, LEAST)
        away -= tl.sum(tl.where(inside, tl.exp(then) * gap, 0.0))
        back += tl.sum(tl.where(inside, tl.exp(now) * gap, 0.0))
    half = tl.load(factors + row) / 2
    for first in range(0, vocabulary, BLOCK):
        at = first + tl.arange(0, BLOCK)
        inside = at < vocabulary
        now = tl.load(start + at, inside, 0.0).to(tl.float32) - sum_log
        then = tl.load(held + at, inside, 0.0).to(tl.float32) - base_log
        gap = tl.maximum(now, LEAST) - tl.maximum(then, LEAST)
        likely = tl.exp(now)
        slope = likely - tl.exp(then) + likely * (gap - back)
        tl.store(start + at, slope * half, inside)
    tl.store(nats + row, (away + back) / 2)


def cross_entropy(
    logits: Tensor,
    targets: Tensor,
    factors: Tensor | None,
) -> Tensor:
    """`ops.cross_entropy`: one row a program, in float32, twice over its logits."""
    nats = torch.empty(
        len(logits),
        dtype=torch.float32,
        device=logits.device,
    )
    if len(logits):
        _cross_entropy[(len(logits),)](
            logits, targets, factors if factors is not None else nats, nats, logits.shape[1],
            logits.stride(0), factors is not None, 4096, num_warps=8,
        )  # fmt: skip
    return nats


def jeffreys(
    logits: Tensor,
    base: Tensor,
    factors: Tensor,
    least: float,
) -> Tensor:
    """`ops.jeffreys`: one row a program, in float32. No log-probability is below `least`."""
    nats = torch.empty(
        len(logits),
        dtype=torch.float32,
        device=logits.device,
    )
    if len(logits):
        _jeffreys[(len(logits),)](
            logits, base, factors, nats, logits.shape[1], logits.stride(0), base.stride(0), least,
            4096, num_warps=8,
        )  # fmt: skip
    return nats
