"""The plain engine: transformers, PEFT and autograd; the reference, and what runs on a CPU."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from peft import PeftModel
from torch import Tensor

from suretune.data.plan import packs
from suretune.model.generate import Talker
from suretune.model.packed_batch import (
    PackedBatch,
    divergence,
    jeffreys,
    mean_loss,
    passes,
    token_logits,
    token_losses,
)
from suretune.train.flat_adamw import FlatAdamW
from suretune.types import Plan, Sample


class Plain:
    """By transformers' modules and autograd."""

    def __init__(
        self,
        model: PeftModel,
        adapters: FlatAdamW,
        device: torch.device,
        tokens_per_pass: int,
    ) -> None:
        self.model = model
        self.adapters = adapters
        self.device = device
        self.tokens_per_pass = tokens_per_pass

    def prepare(
        self,
        samples: Sequence[Sample],
        plan: Plan,
        done: int,
    ) -> str:
        """Nothing is captured, so nothing is prepared."""
        return ""

    def backward(
        self,
        rows: Sequence[Sample],
        loss_weight: float,
        scale: float,
    ) -> Tensor:
        """By autograd, pass by pass, summed in float64; see `Engine.backward`."""
        self.model.train()
        total = torch.zeros(
            (),
            device=self.device,
            dtype=torch.float64,
        )
        for part, soft in parted(rows):
            for batch in passes(part, self.tokens_per_pass, self.device):
                nats = self._jeffreys(batch) if soft else token_losses(self.model, batch)
                loss = (nats * batch.weights).sum() / loss_weight
                (loss * scale).backward()  # type: ignore[no-untyped-call]
                total = total + loss.detach()
        return total

    def _jeffreys(self, batch: PackedBatch) -> Tensor:
        """(L,) nats: half of Jeffreys' divergence from the base, to be learned."""
        self.model.eval()  # the base as it answers
        with torch.no_grad(), self.model.disable_adapter():
            base = token_logits(self.model, batch)
        self.model.train()
        return jeffreys(base, token_logits(self.model, batch))

    def mean_loss(self, samples: Sequence[Sample]) -> float:
        """See `Engine.mean_loss`."""
        return mean_loss(
            self.model,
            samples,
            self.tokens_per_pass,
            self.device,
        )

    def apply(self) -> None:
        """See `Engine.apply`."""
        self.adapters.step()

    def shrink(self, rows: Sequence[Sample]) -> str:
        """Fewer tokens a pass; see `Engine.shrink`."""
        self.tokens_per_pass, how = fewer_tokens(self.tokens_per_pass, rows)
        let_go(self.device)
        return how

    def restored(self) -> None:
        """The modules read the adapters themselves."""

    @contextmanager
    def base(self) -> Iterator[Talker]:
        """PEFT's own way to leave the adapter out; see `Engine.base`."""
        with self.model.disable_adapter():
            yield self.model

    @contextmanager
    def tuned(self) -> Iterator[Talker]:
        """The model as it is; see `Engine.tuned`."""
        yield self.model

    @torch.inference_mode()
    def drift(self, samples: Sequence[Sample]) -> float:
        """Mean KL to the base over learned tokens, nats; see `Engine.drift`."""
        self.model.eval()
        total = 0.0
        for batch in passes(samples, self.tokens_per_pass, self.device):
            tuned = token_logits(self.model, batch)
            with self.model.disable_adapter():
                total += float(divergence(token_logits(self.model, batch), tuned).sum())
        return total / sum(sample.learned for sample in samples)


def parted(rows: Sequence[Sample]) -> tuple[tuple[list[Sample], bool], tuple[list[Sample], bool]]:
    """The rows that are held to their tokens, and those held to the base (True): passes apart."""
    return (
        ([row for row in rows if not row.soft], False),
        ([row for row in rows if row.soft], True),
    )


def fewer_tokens(budget: int, rows: Sequence[Sample]) -> tuple[int, str]:
    """Half the tokens a pass, as long as that makes more passes of these rows."""
    lengths = [len(row.ids) for row in rows]
    before, half = len(packs(lengths, budget)), budget
    while before < len(rows) and half > 1:
        half //= 2
        if len(packs(lengths, half)) > before:
            return half, f"{half} tokens a pass"
    return budget, ""


def let_go(device: torch.device) -> None:
    """Give memory that nobody holds any more back to the device."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
