"""`--budget` by a clock that the test turns: what an update takes, and how many fit."""

from __future__ import annotations

import re
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from suretune.config import Resolved
from suretune.data.choose import NARROW
from suretune.record.journal import Journal, Stopped
from suretune.run import budget
from suretune.run.budget import MARGIN, Clock, cut, fitting, is_cut
from test_laws import checked_run
from test_proving import write_identity

START, SLOPE = 1.0, 0.01  # seconds of an update, and of each of its tokens
PREPARING, FIRST = 2.0, 7.0  # of the engine; more of the first update, which warms up
BEGUN = 40.0  # of the clock, which began before
SIZES = (100, 300, 200)
MEASURED = FIRST + 2 * (START + 300 * SLOPE) + START + 200 * SLOPE


class Machine:
    """Time passes where something is computed."""

    def __init__(self, patch: pytest.MonkeyPatch, sizes: Sequence[int] = SIZES) -> None:
        self.now, self.asked, self.zeroed, self.lacking = 0.0, list[int](), 0, ""
        updates = [
            SimpleNamespace(step=n, tokens=size, samples=(n - 1,), loss_weight=1.0)
            for n, size in enumerate(sizes, 1)
        ]
        plan = SimpleNamespace(
            updates=updates, probe_steps=(), tokens=sum(sizes), schedule=SimpleNamespace(total=3)
        )
        self.checked: Any = SimpleNamespace(
            plan=plan, samples=list(sizes), resolved=Resolved.default().with_values("flag"),
            base=SimpleNamespace(hidden=NARROW - 1),
        )  # fmt: skip
        self.learner: Any = SimpleNamespace(
            engine=SimpleNamespace(prepare=self.prepare),
            device=torch.device("cpu"),
            adapters=SimpleNamespace(zero=self.zero),
            notes=[],
        )
        patch.setattr(budget, "time", SimpleNamespace(perf_counter=lambda: self.now))
        patch.setattr(budget, "gradient", self.gradient)

    def prepare(self, samples: object, plan: object, done: int) -> str:
        assert done == 0
        self.now += PREPARING
        return self.lacking

    def zero(self) -> None:
        self.zeroed += 1

    def seconds(self, tokens: int) -> float:
        return START + SLOPE * tokens

    def gradient(self, _: object, samples: Sequence[int], weight: float) -> None:
        self.now += self.seconds(samples[0]) + (0 if self.asked else FIRST)
        self.asked.append(samples[0])
        torch.rand(1)

    def fits(
        self, end: float, reserve: float = 0.0, probing: float = 0.0, began: float = 0.0
    ) -> int:
        self.now, self.asked = BEGUN, []
        self.journal = Journal()
        return fitting(
            self.checked,
            self.learner,
            Clock(BEGUN + began, BEGUN + end),
            reserve,
            probing,
            self.journal,
        )


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch)


def end_of(seconds: float, began: float = 0.0) -> float:
    """The end at which so much room is left, once all was measured and will be prepared again."""
    return (seconds + 2 * PREPARING + MEASURED - MARGIN * began) / (1 - MARGIN)


def test_the_largest_is_computed_twice_and_one_of_middling_size_and_nothing_is_left_of_it(
    machine: Machine,
) -> None:
    state = torch.random.get_rng_state()
    assert budget._measured(machine.checked, machine.learner) == pytest.approx((START, SLOPE))
    assert machine.asked == [300, 300, 200] and machine.zeroed == 1
    assert torch.equal(torch.random.get_rng_state(), state)  # as in a run that is resumed


@pytest.mark.parametrize(
    "sizes, seconds, line",
    [
        ((50, 50, 50), {50: 4.0}, (4.0, 0.0)),  # of one size
        ((100, 300, 200), {300: 3.0, 200: 5.0}, (5.0, 0.0)),  # by chance a small one takes longer
        ((100, 300, 200), {300: 10.0, 200: 1.0}, (0.0, 0.09)),  # or a large one far longer
        ((300,), {300: 6.0}, (6.0, 0.0)),  # only one
    ],
)
def test_neither_a_start_nor_a_slope_is_below_nothing(
    monkeypatch: pytest.MonkeyPatch,
    sizes: tuple[int, ...],
    seconds: dict[int, float],
    line: tuple[float, float],
) -> None:
    machine = Machine(monkeypatch, sizes)
    monkeypatch.setattr(machine, "seconds", seconds.__getitem__)
    assert budget._measured(machine.checked, machine.learner) == pytest.approx(line)


@pytest.mark.parametrize("kept, seconds", [(1, 2.0), (2, 6.0), (3, 9.0)])
def test_as_many_updates_are_kept_as_fit_and_not_one_more(
    machine: Machine, kept: int, seconds: float
) -> None:
    """They take 2, 4 and 3 seconds."""
    assert machine.fits(end_of(seconds + 0.01)) == kept
    assert machine.fits(end_of(seconds + 5.01), reserve=5.0) == kept  # the proof's are not theirs
    assert machine.fits(end_of(seconds + 0.01, -50.0), began=-50.0) == kept  # nor what is over
    if kept > 1:
        assert machine.fits(end_of(seconds - 0.01)) == kept - 1
        assert machine.fits(end_of(seconds + 4.99), reserve=5.0) == kept - 1
        assert machine.fits(end_of(seconds - 0.01, -50.0), began=-50.0) == kept - 1


def test_an_evaluation_on_the_way_takes_its_time_where_it_is_asked(machine: Machine) -> None:
    machine.checked.plan.probe_steps = (2,)
    assert machine.fits(end_of(12.01), probing=3.0) == 3
    assert machine.fits(end_of(11.99), probing=3.0) == 2
    assert machine.fits(end_of(8.99), probing=3.0) == 1  # it comes with the second update
    machine.checked.plan.probe_steps = (2, 3)
    machine.checked.base.hidden = NARROW  # a wide model is not asked then, but at the end
    assert machine.fits(end_of(12.01), probing=3.0) == 3
    assert machine.fits(end_of(11.99), probing=3.0) == 2
    assert machine.fits(end_of(6.01), probing=3.0) == 2


def test_not_one_that_fits_is_a_stop(machine: Machine) -> None:
    with pytest.raises(Stopped, match="S029") as stopped:
        machine.fits(end_of(1.99))
    (found,) = stopped.value.findings
    assert "3.00 s an update; 2.0 s are left" in found.what.en
    assert "每次更新 3.00 秒，只剩 2.0 秒" in found.what.zh
    (advised,) = re.findall(r"`--budget (\d+)s` would do", found.fix.en)
    assert machine.fits(float(advised)) == 3, "obeyed, all updates fit"
    with pytest.raises(Stopped) as stopped:
        machine.fits(1.0)
    assert "; 0.0 s are left" in str(stopped.value.findings[0].what.en)


def test_what_was_measured_is_told_in_tenths_and_an_update_by_its_mean(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: dict[str, Any] = {}
    monkeypatch.setattr(Journal, "event", lambda _, name, **values: told.update(values))
    machine.checked.plan.tokens += 0.0373  # so that the mean has more digits than are told
    assert machine.fits(100.06, reserve=1.26, began=-10.0) == 3
    assert told == {
        "seconds": 110.1, "left": round(100.06 - PREPARING - MEASURED, 1), "for_proof": 1.3,
        "seconds_per_update": 3.0001, "fits": 3, "planned": 3,
    }  # fmt: skip


def test_what_the_engine_lacks_is_noted(machine: Machine) -> None:
    machine.fits(100.0)
    assert machine.learner.notes == []
    machine.lacking = "no graphs"
    machine.fits(100.0)
    assert machine.learner.notes == ["no graphs"]


def test_what_a_budget_cut_off_is_a_shorter_run_that_stays_cut() -> None:
    checked = checked_run(write_identity(), until_proven=False)
    whole = checked.plan.schedule.total
    short = cut(checked, 3)
    assert whole > 3 == short.plan.schedule.total == short.resolved.config.schedule.max_steps
    assert [u.samples for u in short.plan.updates] == [u.samples for u in checked.plan.updates[:3]]
    assert not is_cut(checked.resolved) and is_cut(short.resolved)
    assert not is_cut(checked.resolved.with_values("flag", max_steps=3))
    assert bool(short.plan.probe_steps) == bool(checked.plan.probe_steps)
