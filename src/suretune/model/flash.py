"""Attention within packed rows, forward and backward, without autograd.

On CUDA in half precision it is torch's FlashAttention-2 (Dao 2023) with row boundaries; elsewhere
scaled dot products row by row, which is the reference.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from suretune.model.attention import has_flash, one_row


@dataclass(frozen=True, slots=True)
class Rows:
    """Where the rows of a pass begin: (rows + 1,) int32, the last is T; the longest's length."""

    starts: Tensor
    longest: int


@dataclass(frozen=True, slots=True)
class Attended:
    """out (T, H, D), and what the kernel's backward pass wants back."""

    out: Tensor
    log_sums: Tensor | None = None
    state: tuple[Tensor, Tensor] | None = None


def attend(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    rows: Rows,
    scale: float,
    window: int | None,
) -> Attended:
    """Causal attention within each row: q (T, H, D), k and v (T, H_kv, D) of one dtype.

    `window`: tokens that are seen, the own one among them; None: all before.
    """
    if not has_kernel(q):
        return Attended(_reference(q, k, v, rows, scale, window))
    out, log_sums, seed, unused, _ = torch.ops.aten._flash_attention_forward(
        q,
        k,
        v,
        rows.starts,
        rows.starts,
        rows.longest,
        rows.longest,
        0.0,
        True,
        False,
        scale=scale,
        **_window(window),
    )
    return Attended(out, log_sums, (seed, unused))


def attend_backward(
    dout: Tensor,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    done: Attended,
    rows: Rows,
    scale: float,
    window: int | None,
) -> tuple[Tensor, Tensor, Tensor]:
    """dq (T, H, D), dk and dv (T, H_kv, D) from dout (T, H, D) and what `attend` took and gave.

    Deterministic: without that the kernel adds up dq in any order.
    """
    if done.state is None:
        with torch.enable_grad():
            leaves = [x.detach().requires_grad_() for x in (q, k, v)]
            out = _reference(
                leaves[0],
                leaves[1],
                leaves[2],
                rows,
                scale,
                window,
            )
            dq, dk, dv = torch.autograd.grad(out, leaves, dout)
        return dq, dk, dv
    with _deterministic():
        dq, dk, dv = torch.ops.aten._flash_attention_backward(
            dout,
            q,
            k,
            v,
            done.out,
            done.log_sums,
            rows.starts,
            rows.starts,
            rows.longest,
            rows.longest,
            0.0,
            True,
            *done.state,
            scale=scale,
            **_window(window),
        )
    return dq, dk, dv


@contextmanager
def _deterministic() -> Iterator[None]:
    """Only without `warn_only` does the kernel listen; new memory need not be filled."""
    about: Any = torch.utils.deterministic
    before = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        about.fill_uninitialized_memory,
    )
    about.fill_uninitialized_memory = False
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
        about.fill_uninitialized_memory = before[2]


def has_kernel(q: Tensor) -> bool:
    """Whether FlashAttention takes a tensor like this; the reference asks the device for rows."""
    return q.is_cuda and q.dtype in (torch.bfloat16, torch.float16) and has_flash(q.device)


def _window(window: int | None) -> dict[str, Any]:
    return {} if window is None else {"window_size_left": window - 1, "window_size_right": 0}


def _reference(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    rows: Rows,
    scale: float,
    window: int | None,
) -> Tensor:
    parts = []
    for a, b in pairwise(rows.starts.tolist()):
        if a == b:
            continue
        query, key, value = (x[a:b].transpose(0, 1)[None] for x in (q, k, v))
        parts.append(one_row(query, key, value, scale, window)[0].transpose(0, 1))
    return torch.cat(parts)
