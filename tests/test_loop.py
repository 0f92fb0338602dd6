"""The loop of updates, with an engine of a few lines: rates, states that are kept, passes again."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch

from suretune.data.plan import learning_rate
from suretune.train.loop import (
    Applied,
    Learner,
    LossScale,
    Proposed,
    before_it,
    make_scale,
    non_finite_rows,
    poisoned_rows,
    train,
)
from suretune.train.rollback import EVERY, Snapshot
from suretune.train.spikes import SpikeDetector
from test_plan_by_hand import ROWS, planned


class Machine:
    """Engine and adapters in one; every pass gives loss 1 and the next of `norms`, then 1."""

    def __init__(self, *norms: float, fails: int = 0) -> None:
        self.norms, self.fails = list(norms), fails
        self.rates: list[float] = []
        self.scales: list[float] = []
        self.value = 0

    def prepare(self, *_: object) -> str:
        return ""

    def zero(self) -> None:
        pass

    def backward(self, rows: object, weight: float, scale: float) -> torch.Tensor:
        if self.fails:
            self.fails -= 1
            raise RuntimeError("CUDA out of memory")
        self.scales.append(scale)
        return torch.tensor(1.0)

    def shrink(self, rows: object) -> str:
        return "smaller passes" if self.fails else ""

    def clip(self, most: float, scale: float) -> torch.Tensor:
        return torch.tensor(self.norms.pop(0) if self.norms else 1.0)

    def set_rate(self, rate: float) -> None:
        self.rates.append(rate)

    def apply(self) -> None:
        self.value += 1

    def copy(self, tensors: dict[str, Any]) -> None:
        tensors["value"] = self.value


def learner_of(machine: Any, scale: float = 1.0) -> Learner:
    whole: Any = machine
    return Learner(whole, whole, whole, LossScale(scale), torch.device("cpu"), 1.0)


def test_the_scale_halves_down_to_one_and_is_of_float16_alone() -> None:
    scale = LossScale(4.0)
    assert [scale.halve() for _ in range(3)] == [True, True, False] and scale.value == 1.0
    assert make_scale("float16").value > 1 == make_scale("bfloat16").value


def test_the_rate_is_the_schedules_times_what_is_left_times_the_share() -> None:
    machine, plan = Machine(), planned()
    learner = learner_of(machine)
    learner.recovery.rate_scale = 0.5
    for _ in train(learner, ROWS, plan, 2, lambda step: step / 10):
        pass
    usual = [learning_rate(plan.schedule, step) for step in range(3, 10)]
    wanted = [rate * 0.5 * n / 10 for n, rate in enumerate(usual, 3)]
    assert machine.rates == pytest.approx(wanted)


def test_the_state_that_is_kept_is_the_one_before_the_update_that_shows_it_sound() -> None:
    machine, steps = Machine(), EVERY + 2
    learner = learner_of(machine)
    for event in train(learner, ROWS, planned(max_steps=steps), 0):
        if isinstance(event, Applied):
            kept = learner.recovery.good_state()
            assert kept.step == kept.tensors["value"] == (EVERY if machine.value > EVERY else 0)
    assert machine.value == steps


def test_what_overflows_is_computed_again_at_half_the_scale() -> None:
    machine = Machine(math.inf, math.nan)
    event = next(train(learner_of(machine, 8.0), ROWS, planned(), 0))
    assert machine.scales == [8.0, 4.0, 2.0] and event.record.grad_norm == 1.0
    last = Machine(*[math.inf] * 9)
    event = next(train(learner_of(last, 2.0), ROWS, planned(), 0))
    assert last.scales == [2.0, 1.0] and event.record.grad_norm == math.inf


def test_memory_that_runs_out_is_told_and_what_cannot_shrink_is_raised() -> None:
    learner = learner_of(Machine(fails=2))
    learner.engine.shrink = lambda rows: "smaller passes"  # type: ignore[method-assign]
    assert next(train(learner, ROWS, planned(), 0)).record.loss == 1.0
    assert learner.notes == ["smaller passes"] * 2
    with pytest.raises(RuntimeError, match="out of memory"):
        next(train(learner_of(Machine(fails=1)), ROWS, planned(), 0))


def test_a_record_says_after_how_much_of_its_epochs_it_is() -> None:
    events = train(learner_of(Machine()), ROWS, planned(), 0)
    epochs = [event.record.epoch for event in events if isinstance(event, Proposed)]
    assert epochs == [0.333, 0.667, 1.0, 1.333, 1.667, 2.0, 2.333, 2.667, 3.0]


class Sick(Machine):
    """Rows at `no_loss` have none, rows at `no_slope` no gradient that is finite; `silent` values
    mend those at `by_the_adapters`. What is worn, and the gradient, are told."""

    no_loss, no_slope, by_the_adapters = {1}, {3}, {3}

    def __init__(self) -> None:
        super().__init__()
        self.worn, self.slope = "trained", "an update's"
        self.zeroed, self.restorings = 0, 0

    def _found(self, places: set[int]) -> bool:
        mended = self.by_the_adapters if self.worn == "silent" else set()
        return bool(self.here & (places - mended))

    def backward(self, rows: Any, weight: float, scale: float) -> torch.Tensor:
        self.here, self.slope = {ROWS.index(row) for row in rows}, "another"
        return torch.tensor(math.nan if self._found(self.no_loss) else 1.0)

    def clip(self, most: float, scale: float) -> torch.Tensor:
        return torch.tensor(math.inf if self._found(self.no_slope) else 2.0)

    def zero(self) -> None:
        self.zeroed += 1

    def silent(self) -> str:
        return "silent"

    def aside(self) -> str:
        return self.worn

    def wear(self, values: str) -> None:
        self.worn = values

    def restored(self) -> None:
        self.restorings += 1

    def slope_aside(self) -> str:
        return self.slope

    def put_slope(self, slope: str) -> None:
        self.slope = slope


def test_rows_without_a_finite_loss_or_gradient_are_found_each() -> None:
    machine = Sick()
    update = replace(planned().updates[0], samples=(4, 3, 0, 1, 2))
    assert non_finite_rows(learner_of(machine), ROWS, update) == [3, 1]
    assert machine.zeroed


def test_rows_that_the_base_cannot_compute_are_those_that_no_adapter_made_so() -> None:
    machine = Sick()
    assert poisoned_rows(learner_of(machine), ROWS, [3, 1, 0], 1.0) == [1]
    assert machine.worn == "trained" and machine.restorings == 2 and machine.zeroed
    machine.by_the_adapters = set()
    assert poisoned_rows(learner_of(machine), ROWS, [3, 1, 0], 1.0) == [3, 1]


def test_what_the_last_good_state_gives_is_told_and_nothing_is_changed() -> None:
    machine = Sick()
    learner = learner_of(machine)
    silent: Any = {"values": "silent"}
    learner.recovery.snapshot = Snapshot(0, 1.0, SpikeDetector(), silent, {})
    assert before_it(learner, ROWS, [0, 3], 1.0) == (1.0, 2.0)
    loss, _ = before_it(learner, ROWS, [0, 1], 1.0)
    assert math.isnan(loss)
    assert machine.worn == "trained" and machine.slope == "an update's"
