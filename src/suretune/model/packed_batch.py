"""Samples -> the tensors of one forward pass: rows one behind the other, no padding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from suretune.data.plan import packs
from suretune.model.attention import PACKED
from suretune.model.ops import LEAST, precise
from suretune.types import Sample


@dataclass(frozen=True, slots=True)
class PackedBatch:
    """One forward pass over T tokens of which L are learned and S are held to the base."""

    ids: Tensor  # (1, T) int64
    positions: Tensor  # (1, T) int64, from 0 in every row
    starts: Tensor  # (rows + 1,) int32, where each row begins; the last is T
    longest: int
    sources: Tensor  # (L,) int64, the positions whose logits predict a learned token
    targets: Tensor  # (L,) int64, those tokens
    weights: Tensor  # (L,) float32, their weights in the loss
    soft: Tensor  # (S,) int64, the positions whose probabilities are held to the base's
    soft_weights: Tensor  # (S,) float32, their weights in the loss


def make_pass(
    samples: Sequence[Sample],
    device: torch.device,
    *,
    parted: bool = False,
) -> PackedBatch:
    """Lay rows behind each other.

    `parted`: what soft rows predict is held to the base (S); else all of it is learned (S = 0).
    """
    lengths = [len(sample.ids) for sample in samples]
    bounds = [0]
    for length in lengths:
        bounds.append(bounds[-1] + length)
    ids = torch.tensor([token for sample in samples for token in sample.ids])
    both: dict[bool, list[tuple[int, int, float]]] = {False: [], True: []}
    for sample, start in zip(samples, bounds, strict=False):
        both[parted and sample.soft] += [
            (start + span.start, start + span.end, span.weight) for span in sample.spans
        ]
    learned, weights = _spread(both[False])
    soft, soft_weights = _spread(both[True])
    return PackedBatch(
        ids=ids[None].to(device),
        positions=torch.cat([torch.arange(n) for n in lengths])[None].to(device),
        starts=torch.tensor(bounds, dtype=torch.int32, device=device),
        longest=max(lengths),
        sources=(learned - 1).to(device),
        targets=ids[learned].to(device),
        weights=weights.to(device),
        soft=(soft - 1).to(device),
        soft_weights=soft_weights.to(device),
    )


def _spread(spans: Sequence[tuple[int, int, float]]) -> tuple[Tensor, Tensor]:
    """The positions of these (start, end, weight) int64, and the weight of each float32."""
    if not spans:
        return torch.zeros(0, dtype=torch.long), torch.zeros(0)
    return (
        torch.cat([torch.arange(start, end) for start, end, _ in spans]),
        torch.cat([torch.full((end - start,), weight) for start, end, weight in spans]),
    )


def pad_pass(batch: PackedBatch, like: PackedBatch) -> PackedBatch:
    """The same rows in the shapes of a larger pass: what is added is computed and weighs nothing.

    The padding is rows of its own, none longer than the longest that `like` allows. ValueError
    where it does not fit.
    """
    tokens, added = batch.ids.shape[1], like.ids.shape[1] - batch.ids.shape[1]
    starts = batch.starts.tolist()
    while len(starts) < len(like.starts):
        starts.append(min(starts[-1] + like.longest, tokens + added))
    if starts[-1] != tokens + added:
        raise ValueError(f"{tokens} tokens do not fit into {len(like.starts) - 1} rows")
    rest, soft = len(like.targets) - len(batch.targets), len(like.soft) - len(batch.soft)
    places = torch.arange(added)
    return PackedBatch(
        ids=F.pad(batch.ids, (0, added)),
        positions=torch.cat([batch.positions, (places % like.longest)[None]], 1),
        starts=torch.tensor(starts, dtype=torch.int32),
        longest=like.longest,
        sources=F.pad(batch.sources, (0, rest)),
        targets=F.pad(batch.targets, (0, rest)),
        weights=F.pad(batch.weights, (0, rest)),
        soft=F.pad(batch.soft, (0, soft)),
        soft_weights=F.pad(batch.soft_weights, (0, soft)),
    )


def token_losses(model: nn.Module, batch: PackedBatch) -> Tensor:
    """(L,) nats, at least float32: the negative log-likelihood of each learned token."""
    return F.cross_entropy(
        token_logits(model, batch),
        batch.targets,
        reduction="none",
    )


def divergence(base: Tensor, tuned: Tensor) -> Tensor:
    """(L,) nats: KL(base || tuned) of two (L, V) logits.

    Masked tokens have logits of -inf. Where both sides mask one, the limit of p log(p / q) is 0;
    where one does, a divergence would be infinite, and is at most 87 nats (-LEAST).
    """
    base, tuned = (precise(x).log_softmax(-1).clamp(min=LEAST) for x in (base, tuned))
    return F.kl_div(tuned, base, reduction="none", log_target=True).sum(-1)


def jeffreys(base: Tensor, tuned: Tensor) -> Tensor:
    """(L,) nats: (KL(base || tuned) + KL(tuned || base)) / 2 of two (L, V) logits.

    What anchors are held by (Jeffreys 1946). KL(base || tuned) alone hardly minds a new name that
    becomes likely where the base would never say it; the other way round minds nothing more.
    Masked tokens as in `divergence`.
    """
    base, tuned = (precise(logits).log_softmax(-1) for logits in (base, tuned))
    gap = tuned.clamp(min=LEAST) - base.clamp(min=LEAST)
    nats: Tensor = ((tuned.exp() - base.exp()) * gap).sum(-1) / 2
    return nats


def token_logits(model: nn.Module, batch: PackedBatch) -> Tensor:
    """(L, V), at least float32: what predicts each learned token."""
    bounds: dict[str, Any] = {}
    if model.config._attn_implementation == PACKED:  # type: ignore[union-attr]
        bounds = {
            "cu_seq_lens_q": batch.starts,
            "cu_seq_lens_k": batch.starts,
            "max_length_q": batch.longest,
            "max_length_k": batch.longest,
        }
    out = model(
        input_ids=batch.ids,
        position_ids=batch.positions,
        logits_to_keep=batch.sources,
        use_cache=False,
        **bounds,
    )
    logits: Tensor = out.logits[0]
    return precise(logits)


def passes(
    samples: Sequence[Sample],
    budget: int,
    device: torch.device,
) -> list[PackedBatch]:
    """An update's (or an evaluation's) rows in as few passes as the token budget allows."""
    groups = packs([len(sample.ids) for sample in samples], budget)
    return [make_pass([samples[i] for i in group], device) for group in groups]


@torch.inference_mode()
def mean_loss(
    model: nn.Module,
    samples: Sequence[Sample],
    budget: int,
    device: torch.device,
) -> float:
    """Nats per learned token over all these samples, weights honoured, nothing learned."""
    training = model.training
    model.eval()
    total = 0.0
    for batch in passes(samples, budget, device):
        total += float((token_losses(model, batch) * batch.weights).sum())
    model.train(training)
    return total / sum(sample.loss_weight for sample in samples)
