"""Layers with a cache of keys and values: whole prompts at once, then one token of each row.

No autograd. Prompts lie behind each other without padding, as in training; a row's keys and values
are kept at its own positions, so no row is shifted for another's sake. B rows, T tokens, K hidden
units, H query and H_kv key heads of D.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from suretune.model.flash import Rows, attend
from suretune.model.groups import ALIGN, Foreign, Group
from suretune.model.kv_cache import Cache
from suretune.model.layer_parts import entered, mlp, normed, rotated, summed, summed_product
from suretune.model.stack import Layer, Norm, Stack
from suretune.model.weight import Dense

if TYPE_CHECKING:
    from suretune.model.decode_kernels import Wide

READ_TOKENS = 8192  # of prompts that are read in one pass
TILE = 4096  # tokens of an MLP at once


def read(
    stack: Stack,
    prompts: Sequence[Sequence[int]],
    cache: Cache | None,
    rows: Sequence[int] | None = None,
    foreign: Foreign | None = None,
    whole: dict[int, Tensor | None] | None = None,
) -> Tensor:
    """(prompts, V): the logits behind each prompt; its keys and values go into its row of `rows`.

    Prompts are not empty and fit into the cache's room. No `rows`: prompt i has row i. `foreign`
    has a line a prompt. Of prompts that are keys of `whole` the last layer's output at every token
    is put there, (tokens, K).
    """
    rows = range(len(prompts)) if rows is None else rows
    last = []
    for part in _packs(prompts):
        some = slice(part.start, part.stop)
        x = _read(
            stack,
            prompts[some],
            rows[some],
            cache,
            _lines(foreign, some),
        )
        ends = list(accumulate(len(prompt) for prompt in prompts[some]))
        last.append(x[torch.tensor(ends).to(x.device) - 1])
        for index, end in zip(part, ends, strict=True):
            if whole is not None and index in whole:
                whole[index] = x[end - len(prompts[index]) : end]
    return logits(stack, torch.cat(last), False)


def _lines(foreign: Foreign | None, some: slice | Tensor) -> Foreign | None:
    return None if foreign is None else {n: lines[some] for n, lines in foreign.items()}


def _packs(prompts: Sequence[Sequence[int]]) -> Iterator[range]:
    """Neighbours of READ_TOKENS together; a longer prompt is alone."""
    start, tokens = 0, 0
    for index, prompt in enumerate(prompts):
        if index > start and tokens + len(prompt) > READ_TOKENS:
            yield range(start, index)
            start, tokens = index, 0
        tokens += len(prompt)
    yield range(start, len(prompts))


def _read(
    stack: Stack,
    prompts: Sequence[Sequence[int]],
    rows: Sequence[int],
    cache: Cache | None,
    foreign: Foreign | None,
) -> Tensor:
    """(tokens, K): the last layer's output at every token of one pack."""
    device = stack.embedding.weight.device
    lengths = torch.tensor([len(prompt) for prompt in prompts])
    starts = F.pad(lengths.cumsum(0), (1, 0))
    prompt = torch.repeat_interleave(torch.arange(len(prompts)), lengths)
    positions = (torch.arange(len(prompt)) - starts[prompt]).to(device)
    place = torch.tensor(rows)[prompt].to(device), positions
    foreign = _lines(foreign, prompt.to(device))  # from here on of each token
    packed = Rows(starts.int().to(device), int(lengths.max()))
    x = stack.embed(torch.tensor([i for p in prompts for i in p]).to(device))
    angles = stack.angles(positions, x)
    for index, layer in enumerate(stack.layers):
        qkv = layer.qkv.forward(entered(layer.before_attention, x)[0], None, foreign)[0]
        q, k, v = rotated(stack, layer, qkv, angles[layer.rope], again=False)
        if cache is not None:
            cache.keys[index].index_put_(place, k)
            cache.values[index].index_put_(place, v)
        out = attend(q, k, v, packed, stack.scale, layer.window).out
        out = out.reshape(len(x), -1)
        x = summed_product(layer.o, layer.behind_attention, out, x, foreign)[0]
        tiles = [slice(start, start + TILE) for start in range(0, len(x), TILE)]
        x = torch.cat([mlp(layer, x[tile], stack.act, _lines(foreign, tile))[0] for tile in tiles])
    whole: Tensor = x
    return whole


def step(
    stack: Stack,
    tokens: Tensor,
    positions: Tensor,
    cache: Cache,
    lean: bool,
    foreign: Foreign | None = None,
) -> Tensor:
    """(B, V) logits behind tokens (B,) int64 at positions (B,) int64, which the cache then holds.

    Nothing here asks the device for a value, so it can be captured as a CUDA graph. `lean` takes
    the Triton products for few rows where they can be had, else cuBLAS.
    """
    x = stack.embed(tokens)
    fused, narrow = _fused_attention(stack, x), lean and _narrow(stack, x)
    for index, layer in enumerate(stack.layers):
        kept = cache.keys[index], cache.values[index]
        if narrow:
            x = _lean_layer(
                stack,
                layer=layer,
                x=x,
                positions=positions,
                kept=kept,
                cache=cache,
                foreign=foreign,
            )
            continue
        qkv = layer.qkv.forward(entered(layer.before_attention, x)[0], None, foreign)[0]
        if fused:
            from suretune.model import decode_kernels

            wide = decode_kernels.attend(
                stack,
                layer=layer,
                qkv=qkv,
                positions=positions,
                kept=kept,
                cache=cache,
                take_in=False,
            ).x
        else:
            wide = _attend(stack, layer, qkv, positions, kept, cache)
        x = summed_product(layer.o, layer.behind_attention, wide, x, foreign)[0]
        x = mlp(layer, x, stack.act, foreign)[0]
    return logits(stack, x, narrow)


def logits(stack: Stack, x: Tensor, lean: bool) -> Tensor:
    """(B, V) from the last layer's output (B, K)."""
    last = normed(stack.norm, x)[0]
    if lean and stack.head.bias is None:
        from suretune.model.product_kernels import product

        return product(stack.head.weight, last)
    out: Tensor = stack.head(last)
    return out


def _fused_attention(stack: Stack, x: Tensor) -> bool:
    """Triton's products want 16 columns at least, and half a head is one factor."""
    return x.is_cuda and x.dtype != torch.float64 and 32 <= stack.head_dim <= 256


def _narrow(stack: Stack, x: Tensor) -> bool:
    """Few rows in half precision: reading the weights is all the time there is."""
    half = x.dtype in (torch.bfloat16, torch.float16)
    whole = all(isinstance(group.weight, Dense) and group.k % ALIGN == 0 for group in stack.groups)
    return _fused_attention(stack, x) and half and len(x) <= 16 and whole


def _lean_layer(
    stack: Stack,
    layer: Layer,
    x: Tensor,
    positions: Tensor,
    kept: tuple[Tensor, Tensor],
    cache: Cache,
    foreign: Foreign | None,
) -> Tensor:
    """Nine kernels: norm, product, attention, its sum, product; norm, product, gate, product.

    A norm behind attention or MLP takes two more: itself, and the sum that the product leaves out.
    """
    from suretune.model import decode_kernels as kernels

    wide = _entered(layer.before_attention, x, layer.qkv, foreign)
    qkv = kernels.times(layer.qkv, wide)
    wide = kernels.attend(
        stack,
        layer=layer,
        qkv=qkv,
        positions=positions,
        kept=kept,
        cache=cache,
        take_in=True,
        foreign=foreign,
    )
    x = _summed(layer.behind_attention, layer.o, wide, x)
    wide = _entered(layer.before_mlp, x, layer.gate_up, foreign)
    wide = kernels.gated(
        kernels.times(layer.gate_up, wide),
        stack.act,
        layer.down,
        foreign,
    )
    return _summed(layer.behind_mlp, layer.down, wide, x)


def _entered(norm: Norm | None, x: Tensor, group: Group, foreign: Foreign | None) -> Wide:
    """x (B, K), normed where a norm is, and what the group's adapters take in."""
    from suretune.model import decode_kernels as kernels

    if norm is None:
        return kernels.Wide(x, group.x_a(x, foreign).float()[:, None])
    wide: Wide = kernels.normed(x, norm, group, foreign)
    return wide


def _summed(behind: Norm | float | None, group: Group, wide: Wide, x: Tensor) -> Tensor:
    """x + norm(group(wide)) (B, K)."""
    from suretune.model import decode_kernels as kernels

    if behind is None:
        return kernels.times(group, wide, x)
    return summed(behind, kernels.times(group, wide), x)[0]


def _attend(
    stack: Stack,
    layer: Layer,
    qkv: Tensor,
    positions: Tensor,
    kept: tuple[Tensor, Tensor],
    cache: Cache,
) -> Tensor:
    """(B, H * D): the reference. Over all the room, with a mask: its shapes do not change."""
    keys, values = kept
    q, k, v = rotated(stack, layer, qkv, cache.angles[layer.rope].at(positions), again=False)
    place = torch.arange(len(q), device=q.device), positions
    keys.index_put_(place, k)
    values.index_put_(place, v)
    back = positions[:, None] - torch.arange(keys.shape[1], device=q.device)[None]
    seen = back >= 0 if layer.window is None else (back >= 0) & (back < layer.window)
    out = F.scaled_dot_product_attention(
        q[:, :, None],
        keys.transpose(1, 2),
        values.transpose(1, 2),
        attn_mask=seen[:, None, None],
        scale=stack.scale,
        enable_gqa=True,
    )
    return out.reshape(len(q), -1)
