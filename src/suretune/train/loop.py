"""The heart: one update after the other, each shown before it is applied.

    for event in train(...):            # Proposed, Applied, Proposed, Applied, ...
        if it is a Proposed you do not like: close the generator, and nothing was changed

The loss of an update is the sum over its learned tokens divided by their planned number, so the
gradient does not depend on how many passes, micro-batches or GPUs computed it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor

from suretune.data.plan import learning_rate, without
from suretune.model.device import ran_out
from suretune.model.tuned import Tuned
from suretune.train.door import Adapters, Engine
from suretune.train.rollback import Recovery, generator_state, set_generators
from suretune.types import Plan, Sample, StepRecord, Update

FIRST_SCALE = 2.0**15  # float16 gradients overflow at 65,504


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


def make_scale(dtype: str) -> LossScale:
    """Only float16 needs one."""
    return LossScale(FIRST_SCALE if dtype == "float16" else 1.0)


@dataclass(frozen=True, slots=True)
class Learner:
    """What an update needs: a model that learns, what of it moves, and how."""

    model: Tuned
    adapters: Adapters
    engine: Engine
    scale: LossScale
    device: torch.device
    max_grad_norm: float
    notes: list[str] = field(default_factory=list)  # what was changed to get on, for the log
    recovery: Recovery = field(default_factory=Recovery)


def train(
    learner: Learner,
    samples: Sequence[Sample],
    plan: Plan,
    done: int,
    share: Callable[[int], float] = lambda step: 1.0,
) -> Generator[Proposed | Applied]:
    """Updates `done` + 1 to the last of the plan, without the rows that were left out.

    share: of the schedule's rate, asked just before each update.
    """
    if lacking := learner.engine.prepare(samples, plan, done):
        learner.notes.append(lacking)
    recovery = learner.recovery
    if recovery.snapshot is None:
        keep_state(learner, done)
    for planned in plan.updates[done:]:
        update = without(planned, samples, recovery.left_out)
        rate = learning_rate(plan.schedule, update.step) * recovery.rate_scale * share(update.step)
        record = _propose(learner, samples, plan, update, rate)
        yield Proposed(record)
        if recovery.is_due(record):  # nothing is applied yet: the state that gave it is still here
            keep_state(learner, update.step - 1)
        if update.samples:
            learner.adapters.set_rate(rate)
            learner.engine.apply()
        recovery.applied(record)
        yield Applied(record)


def keep_state(learner: Learner, step: int) -> None:
    """The state after this update becomes the one that recovery goes back to."""
    learner.recovery.keep(
        step,
        learner.adapters,
        learner.scale.value,
        learner.device,
    )


def go_back(learner: Learner) -> int:
    """Put the last good state in place, with less of the learning rate; the updates done in it.

    ValueError if none was kept.
    """
    snapshot = learner.recovery.go_back(learner.adapters, learner.device)
    learner.scale.value = snapshot.scale
    learner.engine.restored()
    return snapshot.step


def _propose(
    learner: Learner,
    samples: Sequence[Sample],
    plan: Plan,
    update: Update,
    rate: float,
) -> StepRecord:
    start = time.perf_counter()
    rows = [samples[i] for i in update.samples]
    loss, norm = gradient(learner, rows, update.loss_weight) if rows else (math.nan, math.nan)
    while rows and not math.isfinite(norm) and learner.scale.halve():
        loss, norm = gradient(learner, rows, update.loss_weight)
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


def gradient(
    learner: Learner,
    rows: Sequence[Sample],
    loss_weight: float,
) -> tuple[float, float]:
    """Leave the clipped gradient of these rows in the adapters.

    Returns the loss in nats per learned token and the gradient's norm before clipping; reading
    these two numbers is the only time an update waits for the device.
    """
    loss = _backward(learner, rows, loss_weight)
    norm = learner.adapters.clip(learner.max_grad_norm, learner.scale.value)
    found: list[float] = torch.stack([loss.to(norm), norm]).tolist()
    return found[0], found[1]


def _backward(
    learner: Learner,
    rows: Sequence[Sample],
    loss_weight: float,
) -> Tensor:
    """The whole gradient, or none: when memory runs out it is begun again in smaller passes."""
    while True:
        learner.adapters.zero()
        try:
            return learner.engine.backward(
                rows,
                loss_weight,
                learner.scale.value,
            )
        except RuntimeError as error:
            how = learner.engine.shrink(rows) if ran_out(error) else ""
            if not how:
                raise
            learner.notes.append(how)


def non_finite_rows(
    learner: Learner,
    samples: Sequence[Sample],
    update: Update,
) -> list[int]:
    """Which samples of a failed update are not finite when computed alone.

    Places in `samples`, in the update's order. By halving: one bad row among 16 costs 8 passes
    instead of 16, and each is smaller. The gradient is zero afterwards.
    """

    def is_bad(rows: Sequence[int]) -> bool:
        found = gradient(
            learner,
            [samples[i] for i in rows],
            update.loss_weight,
        )
        return not all(map(math.isfinite, found))

    bad = _halved(list(update.samples), is_bad)
    learner.adapters.zero()
    return bad


def _halved(rows: list[int], is_bad: Callable[[Sequence[int]], bool]) -> list[int]:
    """The rows that are bad alone, of rows that are bad together."""
    if len(rows) == 1:
        return rows
    middle = len(rows) // 2
    parts = [part for part in (rows[:middle], rows[middle:]) if is_bad(part)]
    return [row for part in parts for row in _halved(part, is_bad)]


def poisoned_rows(
    learner: Learner,
    samples: Sequence[Sample],
    rows: Sequence[int],
    loss_weight: float,
) -> list[int]:
    """Which of these samples the base itself cannot compute: no rate and no state would mend them.

    The adapters are silent meanwhile; what an activation that is not finite touches stays so.
    """
    with wearing(learner, learner.adapters.silent()):
        found = [
            i
            for i in rows
            if not all(map(math.isfinite, gradient(learner, [samples[i]], loss_weight)))
        ]
    learner.adapters.zero()
    return found


def before_it(
    learner: Learner,
    samples: Sequence[Sample],
    rows: Sequence[int],
    loss_weight: float,
) -> tuple[float, float]:
    """(loss, gradient norm) that the last good state gives these samples; nothing is changed.

    It tells whether an update is out of line because of its rows or because of the state.
    """
    slope = learner.adapters.slope_aside()
    generators = generator_state(learner.device)
    with wearing(learner, learner.recovery.good_state().tensors["values"]):
        found = gradient(
            learner,
            [samples[i] for i in rows],
            loss_weight,
        )
    learner.adapters.put_slope(slope)
    set_generators(generators, learner.device)
    return found


@contextmanager
def wearing(learner: Learner, values: Tensor) -> Iterator[None]:
    """Swap in `values` (N,), as `FlatAdamW.values` has them, for the adapters' weights.

    The weights from before come back on exit, bit for bit. A gradient that is computed inside is
    left in `adapters.gradient`.
    """
    before = learner.adapters.aside()
    learner.adapters.wear(values)
    learner.engine.restored()
    try:
        yield
    finally:
        learner.adapters.wear(before)
        learner.engine.restored()


def _peak_memory(device: torch.device) -> int:
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else 0
