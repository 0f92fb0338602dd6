"""What an engine is to the loop."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from torch import Tensor

from suretune.model.generate import Talker
from suretune.types import Plan, Sample


class Engine(Protocol):
    """Computes gradients and losses of rows with the adapters as they are."""

    tokens_per_pass: int

    def prepare(
        self,
        samples: Sequence[Sample],
        plan: Plan,
        done: int,
    ) -> str:
        """Choose and capture what `plan` needs from update `done + 1` on; again after going back.

        Returns '' or what could not be had, in words: the engine then computes without it.
        """

    def backward(
        self,
        rows: Sequence[Sample],
        loss_weight: float,
        scale: float,
    ) -> Tensor:
        """Add the gradient of scale * loss to the adapters'; returns the loss () on the device.

        The loss is the weighted sum of nats over `loss_weight`. RuntimeError where memory runs out.
        """

    def mean_loss(self, samples: Sequence[Sample]) -> float:
        """Nats per unit of learned weight over all these; nothing is learned."""

    def apply(self) -> None:
        """Let the optimizer take its step."""

    def shrink(self, rows: Sequence[Sample]) -> str:
        """After memory ran out: compute with less from now on. How; or "" where nothing is left."""

    def restored(self) -> None:
        """Told that the adapters' values were put in place from outside."""

    def base(self) -> AbstractContextManager[Talker]:
        """The model without its adapters, to be asked."""

    def tuned(self) -> AbstractContextManager[Talker]:
        """The model with its adapters as they are, to be asked."""

    def drift(self, samples: Sequence[Sample]) -> float:
        """Mean KL(base || tuned) over the learned tokens of these, nats a token."""
