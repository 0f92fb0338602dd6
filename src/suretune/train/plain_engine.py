"""The plain engine: transformers, PEFT and autograd; the reference, and what runs on a CPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import Tensor

from suretune.data.plan import packs
from suretune.model.device import let_go, ran_out, untaken
from suretune.model.full import Whole
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
from suretune.model.stack import Stack
from suretune.model.tuned import Tuned, without
from suretune.train.flat_adamw import FlatAdamW
from suretune.train.run_decoder import SILENCED, RunDecoder
from suretune.types import Plan, Sample

PLAIN_TOKENS = 4096  # that share a pass, where memory is not planned


class Plain:
    """By transformers' modules and autograd.

    speaking: the layers of a model whose own weights learn, laid out to be answered from; None: the
    modules answer, too.
    """

    def __init__(
        self,
        model: Tuned,
        adapters: FlatAdamW,
        device: torch.device,
        tokens_per_pass: int,
        *,
        speaking: Stack | None = None,
    ) -> None:
        self.model = model
        self.adapters = adapters
        self.device = device
        self.tokens_per_pass = tokens_per_pass
        self.decoder = None if speaking is None else RunDecoder(speaking, self._spare)
        self._passed = False  # once passes have taken the memory that they need

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
            batches = self._batches(part, soft=soft)
            for nats, batch in zip(self._nats(batches, soft=soft), batches, strict=True):
                loss = (nats * batch.weights).sum() / loss_weight
                (loss * scale).backward()  # type: ignore[no-untyped-call]
                total = total + loss.detach()
        return total

    def _batches(self, rows: Sequence[Sample], *, soft: bool) -> list[PackedBatch]:
        """The passes of these rows, held to the base where they are `soft`."""
        return passes(rows, self.tokens_per_pass, self.device)

    def _nats(self, batches: Sequence[PackedBatch], *, soft: bool) -> Iterator[Tensor]:
        """(L,) nats of each pass, to be learned: of its tokens, or half of Jeffreys' divergence
        from the base."""
        if not soft or not batches:
            yield from (token_losses(self.model, batch) for batch in batches)
            return
        for base, batch in zip(self._of_base(batches), batches, strict=True):
            yield jeffreys(base, token_logits(self.model, batch))

    def _of_base(self, batches: Sequence[PackedBatch]) -> Iterator[Tensor]:
        """(L, V) logits of each pass, of the base as it answers.

        Adapters are left out pass by pass. Weights are exchanged for those of all passes together,
        whose logits wait on the CPU: going there and back costs more than computing does.
        """
        if not isinstance(self.model, Whole):
            for batch in batches:
                self.model.eval()
                with torch.no_grad(), without(self.model):
                    base = token_logits(self.model, batch)
                self.model.train()
                yield base
            return
        self.model.eval()
        with torch.no_grad(), without(self.model):
            kept = [token_logits(self.model, batch).cpu() for batch in batches]
        self.model.train()
        yield from (base.to(self.device) for base in kept)

    def computed(self, rows: Sequence[Sample]) -> int:
        """All of them; see `Engine.computed`."""
        return sum(len(row.ids) for row in rows)

    def mean_loss(self, samples: Sequence[Sample]) -> float:
        """See `Engine.mean_loss`."""
        return self._with_room(
            lambda: mean_loss(
                self.model,
                samples,
                self.measured_tokens,
                self.device,
            )
        )

    @property
    def measured_tokens(self) -> int:
        """Of a pass that only measures: its rows are none of those that memory was planned for."""
        return min(self.tokens_per_pass, PLAIN_TOKENS)

    def _with_room(self, measure: Callable[[], float]) -> float:
        """Once more without what the decoder holds, where memory runs out."""
        try:
            return measure()
        except RuntimeError as error:
            if self.decoder is None or not ran_out(error) or not self.decoder.released():
                raise
        return measure()

    def apply(self) -> None:
        """See `Engine.apply`."""
        self.adapters.step()
        self.adapters.show()
        self._passed = True

    def _spare(self) -> float:
        """Half of what no pass has taken so far: evaluations need room to compute in, too."""
        return untaken(self.device) / 2 if self._passed else 0.0

    def shrink(self, rows: Sequence[Sample]) -> str:
        """What only saves time goes first, then fewer tokens a pass; see `Engine.shrink`."""
        if self.decoder is not None and self.decoder.silenced():
            return SILENCED
        self.tokens_per_pass, how = fewer_tokens(self.tokens_per_pass, rows)
        let_go(self.device)
        return how

    def restored(self) -> None:
        """The modules read adapters themselves; weights of fewer bits are rounded anew."""
        self.adapters.show()

    def whole(self) -> AbstractContextManager[None]:
        """It always is; see `Engine.whole`."""
        return nullcontext()

    @contextmanager
    def base(self) -> Iterator[Talker]:
        """What was learned is left out; see `Engine.base`."""
        with without(self.model), self.tuned() as speaker:
            yield speaker

    @contextmanager
    def tuned(self) -> Iterator[Talker]:
        """The model as it is; see `Engine.tuned`."""
        if self.decoder is None:
            yield self.model
            return
        with self.decoder.asked() as speaker:
            yield speaker

    @torch.inference_mode()
    def drift(self, samples: Sequence[Sample]) -> float:
        """Mean KL to the base over learned tokens, nats; see `Engine.drift`."""
        return self._with_room(lambda: self._drift(samples))

    def _drift(self, samples: Sequence[Sample]) -> float:
        total = 0.0
        batches = passes(samples, self.measured_tokens, self.device)
        for base, batch in zip(self._of_base(batches), batches, strict=True):
            self.model.eval()
            total += float(divergence(base, token_logits(self.model, batch)).sum())
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
