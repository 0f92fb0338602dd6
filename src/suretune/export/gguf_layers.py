"""What GGUF calls an architecture's numbers and weights, and where llama.cpp wants them otherwise.

Two things differ from the files of transformers: Llama's queries and keys are turned in pairs of
neighbours instead of halves, so their rows are put in that order; and Gemma's norms are kept with
the one that transformers adds while it computes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from suretune.types import Text


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one architecture is written. `arch` is GGUF's name for it."""

    arch: str
    pairs: bool = False  # queries and keys in pairs of neighbours
    one_more: bool = False  # norms with the one added
    window: bool = False  # it has a key for a sliding window
    softcaps: bool = False


RECIPES: Mapping[str, Recipe] = {
    "llama": Recipe("llama", pairs=True),
    "mistral": Recipe("llama", pairs=True),
    "qwen2": Recipe("qwen2"),
    "qwen3": Recipe("qwen3"),
    "phi3": Recipe("phi3", window=True),
    "gemma": Recipe("gemma", one_more=True),
    "gemma2": Recipe("gemma2", one_more=True, window=True, softcaps=True),
    "gemma3_text": Recipe("gemma3", one_more=True, window=True),
}
PATTERN = 6  # of Gemma 3's layers: five with a window, one without


def rope_of(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Base and scaling of the rotary embedding, whichever version of transformers wrote them."""
    told = config.get("rope_parameters") or {}
    told = told.get("full_attention", told)
    old = config.get("rope_scaling") or {}
    kind = told.get("rope_type") or old.get("rope_type") or old.get("type") or "default"
    theta = told.get("rope_theta") or config.get("rope_theta") or 10000.0
    return {**old, **told, "rope_type": kind, "rope_theta": float(theta)}


def head_dim(config: Mapping[str, Any]) -> int:
    """Numbers a head."""
    own = config.get("head_dim")
    return int(own or config["hidden_size"] // config["num_attention_heads"])


def unlike(config: Mapping[str, Any], recipe: Recipe) -> Text | None:
    """What this model has and llama.cpp would compute otherwise; None where it would not."""
    rope = rope_of(config)
    if rope["rope_type"] not in ("default", "linear", "llama3"):
        kind = rope["rope_type"]
        return Text(f"its rotary embedding is scaled by {kind}", f"它的旋转位置编码用 {kind} 缩放")
    asked = config.get("query_pre_attn_scalar")
    if asked is not None and int(asked) != head_dim(config):
        return Text(
            f"its queries are scaled by {asked} and not by the size of a head",
            f"它的 query 按 {asked} 缩放，而不是按头的维度",
        )
    kinds = config.get("layer_types") or []
    regular = [
        "full_attention" if (i + 1) % PATTERN == 0 else "sliding_attention"
        for i in range(len(kinds))
    ]
    if recipe.arch == "gemma3" and kinds and kinds != regular:
        return Text("its layers with a window lie otherwise", "它的滑动窗口层排列不同")
    windowed = config.get("use_sliding_window", True) and config.get("sliding_window")
    short = windowed and int(windowed) < int(config.get("max_position_embeddings") or 0)
    if short and not recipe.window:
        return Text(
            f"its layers see the last {windowed} tokens only, which GGUF's `{recipe.arch}` cannot"
            " say",
            f"它的各层只看最近 {windowed} 个 token，而 GGUF 的 `{recipe.arch}` 无法表示",
        )
    return None


def numbers(
    config: Mapping[str, Any],
    recipe: Recipe,
    rows: int,
) -> Iterator[tuple[str, Any]]:
    """(method of GGUFWriter without its `add_`, value) of every key."""
    rope, size = rope_of(config), head_dim(config)
    heads = int(config["num_attention_heads"])
    yield "context_length", int(config["max_position_embeddings"])
    yield "embedding_length", int(config["hidden_size"])
    yield "block_count", int(config["num_hidden_layers"])
    yield "feed_forward_length", int(config["intermediate_size"])
    yield "head_count", heads
    yield "head_count_kv", int(config.get("num_key_value_heads") or heads)
    yield "layer_norm_rms_eps", float(config["rms_norm_eps"])
    yield "rope_freq_base", rope["rope_theta"]
    yield "vocab_size", rows
    yield "key_length", size
    yield "value_length", size
    part = float(config.get("partial_rotary_factor") or rope.get("partial_rotary_factor") or 1.0)
    yield "rope_dimension_count", int(size * part)
    if rope["rope_type"] == "linear":
        yield "rope_scaling_factor", float(rope["factor"])
    if recipe.window and config.get("sliding_window"):
        yield "sliding_window", int(config["sliding_window"])
    if recipe.arch == "phi3":
        first = config.get("original_max_position_embeddings")
        yield "rope_scaling_orig_ctx_len", int(first or config["max_position_embeddings"])
    if recipe.softcaps:
        yield "attn_logit_softcapping", float(config["attn_logit_softcapping"])
        yield "final_logit_softcapping", float(config["final_logit_softcapping"])


def turned(
    name: str,
    weight: Tensor,
    config: Mapping[str, Any],
    recipe: Recipe,
) -> Tensor:
    """A weight as llama.cpp wants it; itself where that is no other."""
    if recipe.one_more and name.endswith("norm.weight"):
        return weight.to(torch.float32) + 1
    if recipe.pairs and (".q_proj." in name or ".k_proj." in name):
        heads = int(config["num_attention_heads"])
        if ".k_proj." in name:
            heads = int(config.get("num_key_value_heads") or heads)
        return in_pairs(weight, heads)
    return weight


def in_pairs(rows: Tensor, heads: int) -> Tensor:
    """(heads * size, ...): of each head row i and row i + size/2 beside each other."""
    size = rows.shape[0] // heads
    return rows.reshape(heads, 2, size // 2, *rows.shape[1:]).transpose(1, 2).reshape(rows.shape)


def frequency_factors(config: Mapping[str, Any]) -> Tensor | None:
    """(head/2,) by which Llama 3 divides the frequencies of its rotary embedding; None elsewhere.

    Short waves stay, long ones are stretched by `factor`, those between by a share of it.
    """
    rope = rope_of(config)
    if rope["rope_type"] != "llama3":
        return None
    size = head_dim(config)
    waves = 2 * math.pi * rope["rope_theta"] ** (torch.arange(0, size, 2).double() / size)
    context = float(rope["original_max_position_embeddings"])
    low, high, factor = (
        float(rope[key]) for key in ("low_freq_factor", "high_freq_factor", "factor")
    )
    share = ((context / waves - low) / (high - low)).clamp(0, 1)
    factors: Tensor = 1 / (share + (1 - share) / factor)
    return factors.float()
