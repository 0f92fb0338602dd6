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

from suretune.model import ops
from suretune.model.attention import has_flash, one_row


@dataclass(frozen=True, slots=True)
class Shared:
    """The N keys of a pass whose rows share prefixes, which are rows of their own before them.

    Of a prefix's token there is a copy for every row that shares it, and its own. What `starts` and
    `bounds` do not reach is padding: read where it must be (token 0), and never counted.
    """

    keys: Tensor  # (N,) int64, the token that each key is of: those of a row's prefix, then its own
    starts: Tensor  # (rows + 1,) int32, where those that each row sees begin
    longest: int  # the most that one row sees
    places: Tensor  # (N,) int64, where the copies of token 0 stand among `keys`, of token 1, ...
    bounds: Tensor  # (T + 1,) int64, where those of each token begin among `places`


@dataclass(frozen=True, slots=True)
class Rows:
    """Where the rows of a pass begin: (rows + 1,) int32, the last is T; the longest's length; what
    they share, if anything."""

    starts: Tensor
    longest: int
    shared: Shared | None = None


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
    """Causal attention within each row and its prefix: q (T, H, D), k and v (T, H_kv, D) of one
    dtype.

    `window`: tokens that are seen, the own one among them; None: all before.
    """
    seen = rows.shared or rows
    k, v = _gathered(k, v, rows.shared)
    if not has_kernel(q):
        return Attended(_reference(q, k, v, rows, scale, window))
    out, log_sums, seed, unused, _ = torch.ops.aten._flash_attention_forward(
        q,
        k,
        v,
        rows.starts,
        seen.starts,
        rows.longest,
        seen.longest,
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
    seen = rows.shared or rows
    k, v = _gathered(k, v, rows.shared)
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
        return dq, *_added_up(dk, dv, rows.shared)
    with _deterministic():
        dq, dk, dv = torch.ops.aten._flash_attention_backward(
            dout,
            q,
            k,
            v,
            done.out,
            done.log_sums,
            rows.starts,
            seen.starts,
            rows.longest,
            seen.longest,
            0.0,
            True,
            *done.state,
            scale=scale,
            **_window(window),
        )
    return dq, *_added_up(dk, dv, rows.shared)


def _gathered(
    k: Tensor,
    v: Tensor,
    shared: Shared | None,
) -> tuple[Tensor, Tensor]:
    """(T, H_kv, D) -> (N, H_kv, D), what each row sees behind each other."""
    if shared is None:
        return k, v
    return k.index_select(0, shared.keys), v.index_select(0, shared.keys)


def _added_up(
    dk: Tensor,
    dv: Tensor,
    shared: Shared | None,
) -> tuple[Tensor, Tensor]:
    """The way back: a token's gradient is the sum of its copies', (T, H_kv, D)."""
    if shared is None:
        return dk, dv
    return (
        ops.segment_sum(dk, shared.places, shared.bounds),
        ops.segment_sum(dv, shared.places, shared.bounds),
    )


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
    seen = rows.shared or rows
    keys = pairwise(seen.starts.tolist())
    for (a, b), (first, end) in zip(pairwise(rows.starts.tolist()), keys, strict=True):
        if a == b:
            continue
        query = q[a:b].transpose(0, 1)[None]
        key, value = (x[first:end].transpose(0, 1)[None] for x in (k, v))
        parts.append(one_row(query, key, value, scale, window)[0].transpose(0, 1))
    return torch.cat(parts)
