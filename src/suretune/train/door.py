"""What an engine is to the loop, and what learns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

import torch
from torch import Tensor

from suretune.model.generate import Asked
from suretune.model.tensor_file import Coming
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

    def computed(self, rows: Sequence[Sample]) -> int:
        """The least tokens that an update of these rows computes: what they share, once."""

    def restored(self) -> None:
        """Told that the adapters' values were put in place from outside."""

    def base(self) -> AbstractContextManager[Asked]:
        """The model without its adapters, to be asked."""

    def tuned(self) -> AbstractContextManager[Asked]:
        """The model with its adapters as they are, to be asked."""

    def whole(self) -> AbstractContextManager[None]:
        """All that was learned lies in the model of this process meanwhile, to be saved."""

    def drift(self, samples: Sequence[Sample]) -> float:
        """Mean KL(base || tuned) over the learned tokens of these, nats a token."""


class Adapters(Protocol):
    """What learns, adapters or the base's own weights, and its optimizer: `FlatAdamW`, or all
    processes' shards of one."""

    @property
    def values(self) -> Tensor:
        """(N,), of this process."""

    @property
    def gradient(self) -> Tensor:
        """(N,), of this process."""

    @property
    def parameters(self) -> Mapping[str, Tensor]:
        """By name, whole, maybe without their numbers."""

    @property
    def learned(self) -> int:
        """How many numbers move."""

    @property
    def resting(self) -> torch.device:
        """Where copies lie."""

    def zero(self) -> None:
        """Forget the gradient."""

    def clip(self, bound: float, scale: float) -> Tensor:
        """See `FlatAdamW.clip`."""

    def set_rate(self, rate: float) -> None:
        """Of the next update."""

    def step(self) -> None:
        """Apply the gradient; it stays as it is."""

    def aside(self) -> Tensor:
        """A copy of the values (N,), to be worn again."""

    def slope_aside(self) -> Tensor:
        """A copy of the gradient (N,)."""

    def put_slope(self, slope: Tensor) -> None:
        """Put in place what `slope_aside` gave."""

    def silent(self) -> Tensor:
        """The values (N,) with which the model is its base."""

    def dosed(self, dose: float) -> Tensor:
        """The values (N,) at this dose."""

    def wear(self, values: Tensor) -> None:
        """Put values (N,) in place: what `aside`, `silent` or `dosed` gave, or `copy` copied."""

    def copy(self, into: dict[str, Tensor]) -> None:
        """All that an update changes; see `FlatAdamW.copy`."""

    def put_back(self, saved: Mapping[str, Tensor]) -> None:
        """Put in place what `copy` copied."""

    def state(self) -> Mapping[str, Tensor | Coming]:
        """The optimizer's, for a file; see `FlatAdamW.state`."""

    def load_state(self, saved: Mapping[str, Tensor]) -> None:
        """Put in place what `state` gave; KeyError where something is missing."""

    def kept_state(self, kept: Mapping[str, Tensor]) -> Mapping[str, Tensor | Coming]:
        """What `copy` copied, for a file."""

    def load_kept(self, saved: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """What `kept_state` gave, where copies lie."""
