"""Keys and values of rows under way, at addresses that stay: captured CUDA graphs write there."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from suretune.model.stack import Stack


@dataclass(frozen=True, slots=True)
class Cache:
    """Keys and values of all layers, and the angles of every position."""

    keys: Tensor  # (layers, B, room, H_kv, D)
    values: Tensor
    cos: Tensor  # (room, D), at least float32
    sin: Tensor


def make_cache(stack: Stack, rows: int, room: int) -> Cache:
    """Room for `room` tokens in each of `rows` rows, in the precision of the weights."""
    like = stack.embedding.weight
    shape = len(stack.layers), rows, room, stack.kv_heads, stack.head_dim
    cos, sin = stack.angles(torch.arange(room, device=like.device), like)
    return Cache(
        like.new_zeros(shape),
        like.new_zeros(shape),
        cos,
        sin,
    )


def cache_bytes(stack: Stack, rows: int, room: int) -> int:
    """What `make_cache` takes for keys and values."""
    values = 2 * len(stack.layers) * rows * room * stack.kv_heads * stack.head_dim
    return values * stack.embedding.weight.element_size()
