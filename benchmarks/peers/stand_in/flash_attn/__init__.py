"""Stand-in for the package flash-attn, for benchmarks: torch's own FlashAttention-2 kernels.

Peers that insist on that package (padding-free batches, packing) find it missing on a machine that
cannot build it. torch carries the same kernels as `varlen_attn`; these are its entry points under
the names that transformers and Unsloth ask for. Wherever it was used, the results say so.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

__version__ = "2.8.4"


def _window(causal: bool, window_size: tuple[int, int] | None) -> tuple[int, int]:
    left, right = window_size or (-1, -1)
    return (left, 0) if causal else (left, right)


def flash_attn_varlen_func(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    cu_seqlens_q: Tensor,
    cu_seqlens_k: Tensor,
    max_seqlen_q: int,
    max_seqlen_k: int,
    dropout_p: float = 0.0,
    softmax_scale: float | None = None,
    causal: bool = False,
    window_size: tuple[int, int] = (-1, -1),
    softcap: float = 0.0,
    alibi_slopes: Tensor | None = None,
    deterministic: bool = False,
    return_attn_probs: bool = False,
    block_table: Tensor | None = None,
) -> Any:
    """(tokens, heads, size) -> the same, rows apart."""
    from torch.nn.attention.varlen import varlen_attn

    if dropout_p or softcap or return_attn_probs:
        raise ValueError("the stand-in knows neither dropout nor softcap nor probabilities")
    kernel: Any = varlen_attn
    how: dict[str, Any] = {"scale": softmax_scale, "window_size": _window(causal, window_size)}
    if "enable_gqa" in kernel.__annotations__:  # newer torch asks for a word before it groups heads
        how["enable_gqa"] = True
    starts_q, starts_k = cu_seqlens_q.to(torch.int32), cu_seqlens_k.to(torch.int32)
    return kernel(q, k, v, starts_q, starts_k, int(max_seqlen_q), int(max_seqlen_k), **how)


def flash_attn_func(q: Tensor, k: Tensor, v: Tensor, *args: Any, **how: Any) -> Any:
    """(batch, length, heads, size) -> the same: rows of one length, laid end to end."""
    (rows, long_q), long_k = q.shape[:2], k.shape[1]
    starts_q = torch.arange(0, (rows + 1) * long_q, long_q, dtype=torch.int32, device=q.device)
    starts_k = torch.arange(0, (rows + 1) * long_k, long_k, dtype=torch.int32, device=q.device)
    q, k, v = q.flatten(0, 1), k.flatten(0, 1), v.flatten(0, 1)
    out = flash_attn_varlen_func(q, k, v, starts_q, starts_k, long_q, long_k, *args, **how)
    return out.view(rows, long_q, *out.shape[1:])


def flash_attn_with_kvcache(*args: Any, **how: Any) -> Any:
    raise RuntimeError("the stand-in trains only")
