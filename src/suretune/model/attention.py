"""Attention within rows that share one pass.

The rows of a pass lie one behind the other, without padding; `cu_seq_lens_q` says where each
begins. No token sees another row: on CUDA by torch's variable-length kernel (FlashAttention-2),
elsewhere by one SDPA call a row, which is the reference.
"""

from __future__ import annotations

import re
from functools import cache
from inspect import signature
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import AttentionInterface, PretrainedConfig, PreTrainedModel

from suretune.families import is_packed

PACKED = "suretune_packed"
ATTENDING = frozenset({"full_attention", "sliding_attention"})  # what `packed_attention` computes
WIDEST = 256  # of a head, for FlashAttention-2
# Names of modules, as transformers has them, that carry a state from token to token.
RECURRENT = re.compile(
    r"Mamba|DeltaNet|Delta(?:Rule|Attention)|LinearAttention|LightningAttention|ShortConv|Conv1d"
    r"|Rwkv|RWKV|Recurrent|RgLru|LSTM|SSM|Retention|GatedLinear|KimiDelta|StateSpace"
)


def attention_for(config: PretrainedConfig) -> str:
    """Packed where rows may share a pass; else transformers' eager attention, row by row.

    Soft-capped scores, sinks, dropout of scores, tokens that see later ones, or layers that leak
    from row to row would be wrong in a pack: it takes an architecture that is known, and layers
    that only attend.
    """
    capped = getattr(config, "attn_logit_softcapping", None) is not None
    ahead = getattr(config, "use_bidirectional_attention", None) in (True, "all")
    kinds = getattr(config, "layer_types", None) or ()
    dropped = bool(getattr(config, "attention_dropout", 0))
    odd = capped or ahead or dropped or not ATTENDING.issuperset(kinds)
    packed: bool = is_packed(config.model_type) and not odd
    return PACKED if packed else "eager"


def mixing(model: torch.nn.Module) -> str:
    """The first module by which a token hears earlier ones other than by attention; empty if none.

    A convolution along the row, or a state that is carried on: it does not end where a row does.
    """
    for name, module in model.named_modules():
        kind = type(module)
        if isinstance(module, (nn.modules.conv._ConvNd, nn.RNNBase)) or RECURRENT.search(
            kind.__name__
        ):
            return name or kind.__name__
    return ""


def answering_attention(kind: type[PreTrainedModel]) -> str:
    """SDPA, which knows a cache; eager where transformers has none for this architecture (it has
    soft-capped scores, or sinks) and would end with an error instead."""
    return "sdpa" if kind._supports_sdpa else "eager"


def packed_attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    sliding_window: int | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """Causal attention within each row of a pass.

    query (1, H, T, D), key and value (1, H_kv, T, D); `cu_seq_lens_q` (rows + 1,) int32 and
    `max_length_q` int come through the model's keyword arguments. Returns (1, T, H, D). ValueError
    without `cu_seq_lens_q`, with soft-capped scores or sinks, and for a window that this torch
    does not have.
    """
    starts: Tensor | None = kwargs.get("cu_seq_lens_q")
    if starts is None:
        raise ValueError("packed attention needs cu_seq_lens_q")
    if kwargs.get("softcap") is not None or kwargs.get("s_aux") is not None:
        raise ValueError("packed attention knows neither soft-capped scores nor sinks")
    half = query.dtype in (torch.bfloat16, torch.float16)
    if query.is_cuda and half and query.shape[-1] <= WIDEST and has_flash(query.device):
        longest: int = kwargs["max_length_q"]
        out = _varlen(
            query[0],
            key=key[0],
            value=value[0],
            starts=starts,
            longest=longest,
            scale=scaling,
            window=sliding_window,
        )
        return out.unsqueeze(0), None
    bounds = starts.tolist()
    rows = [
        one_row(query[:, :, a:b], key[:, :, a:b], value[:, :, a:b], scaling, sliding_window)
        for a, b in pairwise(bounds)
    ]
    return torch.cat(rows, dim=2).transpose(1, 2), None


def one_row(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    scale: float | None,
    window: int | None,
) -> Tensor:
    """The reference: causal attention within one row, (1, H, T, D) of query (1, H, T, D) and of key
    and value (1, H_kv, T, D). `window` tokens are seen, the own one among them; None: all before.
    Where there are more keys than queries, the queries are those of the last tokens.
    """
    length = key.shape[2]
    before = length - query.shape[2]
    mask = None
    if before or (window is not None and window < length):
        places = torch.arange(length, device=query.device)
        distance = places[before:, None] - places[None, :]
        mask = (distance >= 0) & (distance < (window or length))
    return F.scaled_dot_product_attention(
        query,
        key,
        value,
        attn_mask=mask,
        is_causal=mask is None,
        scale=scale,
        enable_gqa=True,
    )


def _varlen(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    starts: Tensor,
    longest: int,
    scale: float | None,
    window: int | None,
) -> Tensor:
    """(H, T, D) -> (T, H, D) by torch's varlen kernel; causal is a window of (-1, 0).

    torch 2.10 has neither `scale` nor `window_size`: there the query is scaled, and a window that
    would matter is refused.
    """
    from torch.nn.attention.varlen import varlen_attn

    if key.shape[0] != query.shape[0]:  # torch < 2.12 has no switch for grouped heads
        repeats = query.shape[0] // key.shape[0]
        key, value = key.repeat_interleave(repeats, 0), value.repeat_interleave(repeats, 0)
    how: dict[str, Any]
    if "window_size" in signature(varlen_attn).parameters:
        how = {"scale": scale, "window_size": (-1 if window is None else window - 1, 0)}
    else:
        if window is not None and window < longest:
            raise ValueError("this torch has no sliding window: pip install 'torch>=2.11'")
        query = query if scale is None else query * (scale * query.shape[-1] ** 0.5)
        how = {"is_causal": True}
    parts = (x.transpose(0, 1).contiguous() for x in (query, key, value))
    kernel: Any = varlen_attn  # its signature differs from torch to torch
    out: Tensor = kernel(
        *parts,
        starts,
        starts,
        longest,
        longest,
        **how,
    )
    return out


@cache
def has_flash(device: torch.device) -> bool:
    """FlashAttention-2 needs compute capability 8.0."""
    return torch.cuda.get_device_capability(device) >= (8, 0)


AttentionInterface.register(PACKED, packed_attention)
