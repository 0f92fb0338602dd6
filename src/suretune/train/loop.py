"""The heart: one update after the other, each shown before it is applied.

    for event in train(...):            # Proposed, Applied, Proposed, Applied, ...
        if it is a Proposed you do not like: close the generator, and nothing was changed

The loss of an update is the sum over its learned tokens divided by their planned number, so the
gradient does not depend on how many passes, micro-batches or GPUs computed it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass

import torch
from peft import PeftModel
from torch import Tensor, nn

from suretune.data.plan import learning_rate
from suretune.model.batch import passes, token_losses
from suretune.types import Plan, Sample, StepRecord, Update


@dataclass(frozen=True, slots=True)
class Proposed:
    """An update that is computed and not applied."""

    record: StepRecord


@dataclass(frozen=True, slots=True)
class Applied:
    """The same update, applied: now is the time to evaluate or save."""

    record: StepRecord


@dataclass(slots=True)
class LossScale:
    """For float16 only: keeps small gradients above zero, halves when they overflow.

    An overflowing update is computed again at half the scale, so no update is skipped
    (Micikevicius et al. 2018 skip it).
    """

    value: float = 1.0

    def halve(self) -> bool:
        """True if the update is worth computing again."""
        if self.value <= 1:
            return False
        self.value /= 2
        return True


@dataclass(frozen=True, slots=True)
class Learner:
    """What an update needs: a model with adapters, what of it moves, and how."""

    model: PeftModel
    parameters: Mapping[str, nn.Parameter]
    optimizer: torch.optim.Optimizer
    scale: LossScale
    device: torch.device
    tokens_per_pass: int
    max_grad_norm: float


def train(
    learner: Learner, samples: Sequence[Sample], plan: Plan, done: int
) -> Generator[Proposed | Applied]:
    """Updates `done` + 1 to the last of the plan."""
    learner.model.train()
    for update in plan.updates[done:]:
        rate = learning_rate(plan.schedule, update.step)
        record = _propose(learner, samples, plan, update, rate)
        yield Proposed(record)
        for group in learner.optimizer.param_groups:
            group["lr"] = rate
        learner.optimizer.step()
        yield Applied(record)


def _propose(
    learner: Learner, samples: Sequence[Sample], plan: Plan, update: Update, rate: float
) -> StepRecord:
    start = time.perf_counter()
    loss = gradient(learner, [samples[i] for i in update.samples], update.loss_weight)
    norm = clip(learner)
    while not math.isfinite(norm) and learner.scale.halve():
        loss = gradient(learner, [samples[i] for i in update.samples], update.loss_weight)
        norm = clip(learner)
    return StepRecord(
        step=update.step,
        epoch=round(update.step / plan.per_epoch, 3),
        loss=loss,
        grad_norm=norm,
        learning_rate=rate,
        tokens=update.tokens,
        learned=update.learned,
        seconds=time.perf_counter() - start,
        memory_bytes=_peak_memory(learner.device),
        samples=update.samples,
    )


def gradient(learner: Learner, rows: Sequence[Sample], loss_weight: float) -> float:
    """Leave the gradient of these rows in the parameters; the loss in nats per learned token."""
    learner.optimizer.zero_grad(set_to_none=True)
    total: Tensor | float = 0.0
    for batch in passes(rows, learner.tokens_per_pass, learner.device):
        loss = (token_losses(learner.model, batch) * batch.weights).sum() / loss_weight
        (loss * learner.scale.value).backward()  # type: ignore[no-untyped-call]
        total = total + loss.detach()
    return float(total)


def clip(learner: Learner) -> float:
    """The gradient's norm; what is above `max_grad_norm` is scaled down to it."""
    parameters = list(learner.parameters.values())
    if learner.scale.value != 1:
        for p in parameters:
            if p.grad is not None:
                p.grad /= learner.scale.value
    bound = learner.max_grad_norm or math.inf
    return float(nn.utils.clip_grad_norm_(parameters, bound))


def non_finite_rows(learner: Learner, samples: Sequence[Sample], update: Update) -> list[int]:
    """Which samples of a failed update are not finite when computed alone; all if none is."""
    found = []
    for index in update.samples:
        loss = gradient(learner, [samples[index]], update.loss_weight)
        if not (math.isfinite(loss) and math.isfinite(clip(learner))):
            found.append(index)
    learner.optimizer.zero_grad(set_to_none=True)
    return found or list(update.samples)


def _peak_memory(device: torch.device) -> int:
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else 0
