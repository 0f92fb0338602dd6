"""A whole pass of the fast path: token ids to losses and the adapters' gradients, no autograd."""

from __future__ import annotations

from collections import deque

import torch
from torch import Tensor

from suretune.model import ops
from suretune.model.flash import Rows
from suretune.model.layer import Kept, Setting, backward, forward
from suretune.model.layer_parts import normed
from suretune.model.packed_batch import PackedBatch, divergence
from suretune.model.recompute import Keep, Policy, soft_rows
from suretune.model.stack import Stack


def keep_all(stack: Stack) -> Policy:
    """Every layer keeps everything that its backward pass needs."""
    return Policy((Keep.ALL,) * len(stack.layers))


@torch.no_grad()
def losses(
    stack: Stack,
    batch: PackedBatch,
    policy: Policy,
) -> Tensor:
    """(L,) nats, at least float32: the negative log-likelihood of each learned token."""
    x = _hidden(stack, batch, policy)
    nats, _ = _head(stack, x, batch.targets, None, policy.head_rows)
    return nats


@torch.no_grad()
def divergences(
    stack: Stack,
    batch: PackedBatch,
    policy: Policy,
) -> Tensor:
    """(L,) nats: KL(base || tuned) where the learned tokens are predicted."""
    tuned, base = _hidden(stack, batch, policy), base_hidden(stack, batch, policy)
    parts = []
    for start in range(0, len(base), policy.head_rows):
        logits = []
        for x in (base, tuned):
            inner = normed(stack.norm, x[start : start + policy.head_rows])[0]
            logits.append(stack.head(inner))
        parts.append(divergence(*logits))
    return torch.cat(parts)


@torch.no_grad()
def base_hidden(
    stack: Stack,
    batch: PackedBatch,
    policy: Policy,
) -> Tensor:
    """(L, K) before the final norm, where the learned tokens are predicted, without adapters."""
    with stack.muted():
        return _hidden(stack, batch, policy)


def _hidden(
    stack: Stack,
    batch: PackedBatch,
    policy: Policy,
) -> Tensor:
    x, how = _start(stack, batch, policy)
    for layer in stack.layers:
        x = forward(layer, x, Keep.INPUT, how)[0]
    return x[batch.sources]


@torch.no_grad()
def gradient(
    stack: Stack,
    batch: PackedBatch,
    factors: Tensor,
    policy: Policy,
    base: Tensor | None = None,
) -> Tensor:
    """(L + S,) nats; adds d(sum of factors * nats) to the adapters' gradients.

    First the L learned tokens', then half of Jeffreys' divergence at the S positions held to the
    base, whose hidden states there are `base` (S, K); factors (L + S,) float32.
    """
    x, how = _start(stack, batch, policy)
    still, kept = stack.still, deque[Kept](maxlen=len(stack.layers) - stack.still)
    for layer, keep in zip(stack.layers, policy.keep, strict=True):
        x, saved = forward(layer, x, keep, how)
        kept.append(saved)  # those of the lowest fall out
    sources = batch.sources if base is None else torch.cat([batch.sources, batch.soft])
    nats, d_learned = _heads(
        stack,
        x[sources],
        batch.targets,
        base,
        factors,
        policy.head_rows,
    )
    # Padding may name a source twice: its factor is zero, so what is added is zero.
    dx = torch.zeros_like(x).index_add_(0, sources, d_learned)
    del x, d_learned
    for layer in reversed(stack.layers[still:]):
        dx = backward(layer, kept.pop(), dx, how, to_input=bool(kept))
    return nats


def _heads(
    stack: Stack,
    x: Tensor,
    targets: Tensor,
    base: Tensor | None,
    factors: Tensor,
    rows: int,
) -> tuple[Tensor, Tensor]:
    """(nats (L + S,), dx (L + S, K)): what is learned by `_head`, what is held by `_soft_head`."""
    if base is None:
        return _head(stack, x, targets, factors, rows)
    size = len(targets)
    soft = _soft_head(
        stack,
        x[size:],
        base,
        factors[size:],
        soft_rows(rows),
    )
    if not size:
        return soft
    hard = _head(stack, x[:size], targets, factors[:size], rows)
    return torch.cat([hard[0], soft[0]]), torch.cat([hard[1], soft[1]])


def _start(
    stack: Stack,
    batch: PackedBatch,
    policy: Policy,
) -> tuple[Tensor, Setting]:
    x = stack.embed(batch.ids[0])
    angles = stack.angles(batch.positions[0], x)
    rows = Rows(batch.starts, batch.longest, batch.shared)
    return x, Setting(stack, rows, angles, policy.tile)


def _head(
    stack: Stack,
    x: Tensor,
    targets: Tensor,
    factors: Tensor | None,
    rows: int,
) -> tuple[Tensor, Tensor]:
    """(nats (L,), dx (L, K)) of the final norm, the head and the loss, `rows` tokens at a time."""
    norm = stack.norm
    nats: list[Tensor] = []
    slopes: list[Tensor] = []
    for start in range(0, max(len(x), 1), rows):
        part = x[start : start + rows]
        inner, scale = normed(norm, part)
        logits = stack.head(inner)
        chosen = None if factors is None else factors[start : start + rows]
        nats.append(ops.cross_entropy(logits, targets[start : start + rows], chosen))
        if chosen is not None:
            d_normed = logits @ stack.head.weight
            zero = torch.zeros_like(part)
            slopes.append(ops.rms_norm_backward(d_normed, part, norm.weight, scale, zero))
    return torch.cat(nats), torch.cat(slopes) if slopes else x[:0]


def _soft_head(
    stack: Stack,
    x: Tensor,
    base: Tensor,
    factors: Tensor,
    rows: int,
) -> tuple[Tensor, Tensor]:
    """As `_head`, of Jeffreys' divergence; two tables of logits exist at once, so fewer rows."""
    norm = stack.norm
    nats: list[Tensor] = []
    slopes: list[Tensor] = []
    for start in range(0, len(x), rows):
        part, held = x[start : start + rows], base[start : start + rows]
        inner = torch.empty_like(held)  # one for both
        ops.rms_norm(held, norm.weight, norm.eps, inner)
        held = stack.head(inner)
        scale = ops.rms_norm(part, norm.weight, norm.eps, inner)
        logits = stack.head(inner)
        nats.append(ops.jeffreys(logits, held, factors[start : start + rows]))
        d_normed = logits @ stack.head.weight
        zero = torch.zeros_like(part)
        slopes.append(ops.rms_norm_backward(d_normed, part, norm.weight, scale, zero))
    return torch.cat(nats), torch.cat(slopes)
