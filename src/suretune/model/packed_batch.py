"""Samples -> the tensors of one forward pass: rows one behind the other, no padding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from suretune.data.pass_layout import Layout, Size, lay_out
from suretune.data.plan import packs
from suretune.data.prefixes import Prefixes
from suretune.model.attention import PACKED
from suretune.model.flash import Shared
from suretune.model.ops import LEAST, precise
from suretune.types import Sample


@dataclass(frozen=True, slots=True)
class PackedBatch:
    """One forward pass over T tokens of which L are learned and S are held to the base.

    Prefixes that rows share are the first of its rows; positions in a row go on from its prefix.
    """

    ids: Tensor  # (1, T) int64
    positions: Tensor  # (1, T) int64, from 0 in every row, or behind its prefix
    starts: Tensor  # (rows + 1,) int32, where each row begins; the last is T
    longest: int
    sources: Tensor  # (L,) int64, the positions whose logits predict a learned token
    targets: Tensor  # (L,) int64, those tokens
    weights: Tensor  # (L,) float32, their weights in the loss
    soft: Tensor  # (S,) int64, the positions whose probabilities are held to the base's
    soft_weights: Tensor  # (S,) float32, their weights in the loss
    shared: Shared | None = None  # what rows share, if they do or the room is for such passes

    @property
    def tensors(self) -> list[Tensor]:
        """All that it holds, always in the same order."""
        own = [self.ids, self.positions, self.starts, self.sources, self.targets, self.weights]
        own += [self.soft, self.soft_weights]
        if self.shared is None:
            return own
        return [*own, self.shared.keys, self.shared.starts, self.shared.places, self.shared.bounds]


def make_pass(
    samples: Sequence[Sample],
    device: torch.device,
    *,
    parted: bool = False,
    prefixes: Prefixes = (),
    room: Size | None = None,
) -> PackedBatch:
    """Lay rows behind each other, and before them what they share of `prefixes`.

    `parted`: what soft rows predict is held to the base (S); else all of it is learned (S = 0).
    `room`: pad to this size; what is added is computed and weighs nothing. Its rows see themselves,
    and none is longer than the longest of `room`. ValueError where the rows do not fit.
    """
    laid = lay_out(samples, prefixes, room)
    lengths = [len(own) for own in laid.sequences]
    ids = torch.tensor([token for own in laid.sequences for token in own])
    origins = torch.tensor(laid.origins).repeat_interleave(torch.tensor(lengths))
    both: dict[bool, list[tuple[int, int, float]]] = {False: [], True: []}
    for sample, start in zip(samples, laid.origins[laid.first :], strict=False):
        both[parted and sample.soft] += [
            (start + span.start, start + span.end, span.weight) for span in sample.spans
        ]
    learned, weights = _spread(both[False])
    soft, soft_weights = _spread(both[True])
    hard_rest = (0, room.learned - len(learned) if room else 0)
    soft_rest = (0, room.soft - len(soft) if room else 0)
    if room and (min(hard_rest + soft_rest) < 0 or max(lengths) > room.longest):
        raise ValueError(f"these rows do not fit into {room}")
    shares = laid.first or (room and room.keys)
    return PackedBatch(
        ids=ids[None].to(device),
        positions=(torch.arange(len(ids)) - origins)[None].to(device),
        starts=torch.tensor(laid.starts, dtype=torch.int32, device=device),
        longest=room.longest if room else max(lengths),
        sources=F.pad(learned - 1, hard_rest).to(device),
        targets=F.pad(ids[learned], hard_rest).to(device),
        weights=F.pad(weights, hard_rest).to(device),
        soft=F.pad(soft - 1, soft_rest).to(device),
        soft_weights=F.pad(soft_weights, soft_rest).to(device),
        shared=_shared(laid, device, room) if shares else None,
    )


def _shared(
    laid: Layout,
    device: torch.device,
    room: Size | None,
) -> Shared:
    """The keys of such a pass, padded with token 0's. ValueError where they do not fit."""
    keys = torch.tensor(laid.keys)
    starts = torch.tensor(laid.key_starts, dtype=torch.int32)
    counts = keys.bincount(minlength=laid.starts[-1])
    rest = (0, room.keys - len(keys) if room else 0)
    most = int(starts.diff().max())
    if room and (rest[1] < 0 or most > room.longest_keys):
        raise ValueError(f"{len(keys)} keys do not fit into {room}")
    return Shared(
        keys=F.pad(keys, rest).to(device),
        starts=starts.to(device),
        longest=room.longest_keys if room else most,
        places=F.pad(keys.argsort(stable=True), rest).to(device),
        bounds=F.pad(counts.cumsum(0), (1, 0)).to(device),
    )


def _spread(spans: Sequence[tuple[int, int, float]]) -> tuple[Tensor, Tensor]:
    """The positions of these (start, end, weight) int64, and the weight of each float32."""
    if not spans:
        return torch.zeros(0, dtype=torch.long), torch.zeros(0)
    return (
        torch.cat([torch.arange(start, end) for start, end, _ in spans]),
        torch.cat([torch.full((end - start,), weight) for start, end, weight in spans]),
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
    """(L, V), at least float32: what predicts each learned token. ValueError where rows share."""
    if batch.shared is not None:
        raise ValueError("transformers' modules know no keys that rows share")
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
    prefixes: Prefixes = (),
) -> list[PackedBatch]:
    """An update's (or an evaluation's) rows in as few passes as the token budget allows."""
    groups = packs([len(sample.ids) for sample in samples], budget)
    parts = [[samples[i] for i in group] for group in groups]
    return [make_pass(part, device, prefixes=prefixes) for part in parts]


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
