"""Keys and values of rows under way, at addresses that stay: captured CUDA graphs write there."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from suretune.model.stack import Angles, Stack


@dataclass(frozen=True, slots=True)
class Cache:
    """Keys and values of all layers, and the angles of every position."""

    keys: Tensor  # (layers, B, room, H_kv, D)
    values: Tensor
    angles: tuple[Angles, ...]  # cos and sin (room, D), by each of the stack's `ropes`


def make_cache(stack: Stack, rows: int, room: int) -> Cache:
    """Room for `room` tokens in each of `rows` rows, in the precision of the weights."""
    like = stack.embedding.weight
    shape = len(stack.layers), rows, room, stack.kv_heads, stack.head_dim
    return Cache(
        like.new_zeros(shape),
        like.new_zeros(shape),
        stack.angles(torch.arange(room, device=like.device), like),
    )


def cache_bytes(stack: Stack, rows: int, room: int) -> int:
    """What `make_cache` takes for keys and values."""
    values = 2 * len(stack.layers) * rows * room * stack.kv_heads * stack.head_dim
    return values * stack.embedding.weight.element_size()
