"""When an update is out of line, and what is done about it: the rules, at their edges."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import pytest
import torch

from suretune.data.choose import CUTS
from suretune.train.rollback import ATTEMPTS, EVERY, IN_A_ROW, WORSE, Recovery
from suretune.train.spikes import (
    ABOVE,
    LOSS_FACTOR,
    NORM_FACTOR,
    RECENT,
    SHARE,
    WINDOW,
    SpikeDetector,
    detector_of,
)
from suretune.types import StepRecord

CPU = torch.device("cpu")


def seen(*losses: float, norm: float = 1.0, rows: int = 16) -> SpikeDetector:
    """After updates of so many rows each."""
    found = SpikeDetector()
    for loss in losses:
        found = found.and_then(loss, norm, rows)
    return found


def edge(factor: float, power: float, *, of: float) -> tuple[float, float]:
    """Just below and just above a largest value times a factor."""
    return tuple(of * factor**power * (1 + sign * 1e-6) for sign in (-1, 1))  # type: ignore[return-value]


def begins_behind_the_factors(
    is_out: Callable[[float, float, int], bool], now: int, power: float
) -> None:
    """After loss 2 and norm 3, by either of an update of `now` rows."""
    below, above = edge(LOSS_FACTOR, power, of=2.0)
    assert not is_out(below, 3.0, now) and is_out(above, 3.0, now)
    below, above = edge(NORM_FACTOR, power, of=3.0)
    assert not is_out(2.0, below, now) and is_out(2.0, above, now)


# --- the rules ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "now", "power"),
    [(16, 16, 1.0), (4, 16, 2.0), (1, 1, 4.0), (64, 16, 1.0), (64, 4, 2.0), (64, 1, 4.0),
     (8, 4, math.sqrt(2)), (2, 1, math.sqrt(8))],
)  # fmt: skip
def test_fewer_rows_are_given_more_room(rows: int, now: int, power: float) -> None:
    """One update of `rows` at loss 2 and norm 3, then one of `now` rows."""
    begins_behind_the_factors(SpikeDetector().and_then(2.0, 3.0, rows).is_broken_by, now, power)


@pytest.mark.parametrize(("rows", "now", "power"), [(4, 4, 1.0), (64, 4, 2.0), (8, 4, 2**0.5)])
def test_a_doubt_begins_at_the_plain_factors(rows: int, now: int, power: float) -> None:
    begins_behind_the_factors(SpikeDetector().and_then(2.0, 3.0, rows).is_doubted, now, power)


def test_before_the_first_update_nothing_is_out_of_line() -> None:
    assert not SpikeDetector().is_broken_by(9.0, 9.0, 1)
    assert not SpikeDetector().is_doubted(9.0, 9.0, 1)


def test_the_mean_number_of_rows_is_what_an_update_is_measured_by() -> None:
    usual = seen(2.0).and_then(2.0, 1.0, 8)  # 24 rows, 12 an update
    below, above = edge(LOSS_FACTOR, math.sqrt(12 / 3), of=2.0)
    assert not usual.is_broken_by(below, 1.0, 3) and usual.is_broken_by(above, 1.0, 3)


def test_a_leap_from_a_flat_curve_needs_a_median_and_a_half() -> None:
    """A curve that is flat for a moment is no measure of its noise: 0.4 in logarithms, or more."""
    for updates, found in ((RECENT - 1, False), (RECENT, True)):
        flat = seen(*[1.0] * updates)
        assert flat.is_broken_by(1.51, 1.0, 16) == found, "steady from sixteen updates on"
    flat = seen(*[1.0] * RECENT)
    assert ABOVE == 1.5 and not flat.is_broken_by(1.49, 1.0, 16)


def test_a_noisy_curve_is_measured_by_its_own_leaps() -> None:
    """Each differs from the one before by 0.1 in logarithms: eight times 1.4826 * 0.1 / 1.414."""
    up = math.exp(0.1)
    noisy = seen(4.0, *[1.0, up] * 30)
    median, eight = 0.05, 8 * 1.4826 * 0.1 / math.sqrt(2)
    below, above = (math.exp(median + eight + shift) for shift in (-1e-6, 1e-6))
    assert not noisy.is_broken_by(below, 1.0, 16) and noisy.is_broken_by(above, 1.0, 16)


def test_what_lies_below_a_quarter_of_the_largest_has_not_left_the_ground() -> None:
    fallen = seen(8.0, *[1.0] * 40)
    assert not fallen.is_broken_by(8.0 * SHARE - 0.01, 1.0, 16)
    assert fallen.is_broken_by(8.0 * SHARE, 1.0, 16)


def test_recent_losses_are_the_last_sixteen_and_the_window_has_64() -> None:
    falling = seen(*[3.0] * 48, *[1.0] * RECENT)
    assert falling.is_broken_by(1.6, 1.0, 16), "by the median of the last, not of all"
    assert len(seen(*[1.0] * 100).losses) == WINDOW
    assert not seen(*[0.0] * 20).is_broken_by(0.0, 1.0, 16), "a loss of nothing has a logarithm"


def test_it_comes_back_from_json_as_it_was() -> None:
    usual = seen(2.0, 1.5, norm=0.7, rows=8)
    assert detector_of(json.loads(json.dumps(asdict(usual)))) == usual
    assert (usual.largest_loss, usual.largest_norm, usual.rows) == (2.0, 0.7, 16)


def test_a_norm_alone_is_told_once_sixteen_updates_are_known() -> None:
    few, many = seen(*[2.0] * (RECENT - 1)), seen(*[2.0] * RECENT)
    assert not few.is_worth_telling(2.0) and few.is_worth_telling(2.1) and many.is_worth_telling(1)


# --- what is done ---------------------------------------------------------------------------------


class State:
    """Adapters that are one number."""

    def __init__(self) -> None:
        self.value = torch.zeros(1)

    def copy(self, tensors: dict[str, torch.Tensor]) -> None:
        tensors["value"] = self.value.clone()

    def put_back(self, tensors: dict[str, torch.Tensor]) -> None:
        self.value = tensors["value"].clone()


def update(step: int, loss: float = 1.0, norm: float = 1.0, rows: int = 16) -> StepRecord:
    return StepRecord(
        step=step, epoch=0.0, loss=loss, grad_norm=norm, learning_rate=1e-3, tokens=1, learned=1,
        seconds=0.0, memory_bytes=0, samples=tuple(range(rows)),
    )  # fmt: skip


def begun(adapters: Any, updates: int = 4, step: int = 0) -> Recovery:
    """After so many sound updates, of which the state before the first is kept."""
    recovery = Recovery()
    recovery.keep(step, adapters, 1.0, CPU)
    for n in range(1, updates + 1):
        recovery.applied(update(step + n))
    return recovery


def test_the_third_in_a_row_is_a_divergence_and_a_sound_one_between_begins_anew() -> None:
    recovery, bad = begun(State()), update(9, 9.0)
    assert recovery.judge(bad) == "spike" and recovery.judge(update(9)) == "fine"
    for _ in range(IN_A_ROW - 1):
        assert recovery.judge(bad) == "spike"
        recovery.applied(bad)
    assert recovery.streak == 2 and recovery.judge(bad) == "diverged"
    assert recovery.typical == begun(State()).typical, "what is out of line never becomes usual"
    recovery.applied(update(12))
    assert recovery.streak == 0 and recovery.judge(bad) == "spike"


@pytest.mark.parametrize(("loss", "norm"), [(math.nan, 1.0), (1.0, math.inf), (math.inf, math.nan)])
def test_what_is_no_number_is_never_applied_and_nothing_is_no_fault(
    loss: float, norm: float
) -> None:
    recovery = begun(State())
    assert recovery.judge(update(9, loss, norm)) == "non-finite"
    before = recovery.line()
    assert recovery.judge(update(9, loss, norm, rows=0)) == "fine", "all of its rows were left out"
    recovery.applied(update(9, loss, norm, rows=0))
    assert recovery.line() == before


def test_rows_that_a_good_state_finds_as_hard_become_usual() -> None:
    recovery, hard = begun(State()), update(9, 9.0, 8.0)
    assert not recovery.accept_if_rows_are_hard(hard, 9.0 / WORSE * 0.99, 8.0)
    assert not recovery.accept_if_rows_are_hard(hard, 9.0, 8.0 / NORM_FACTOR * 0.99)
    recovery.applied(hard)
    assert recovery.streak == 1
    assert recovery.accept_if_rows_are_hard(hard, 9.0 / WORSE, 8.0 / NORM_FACTOR)
    recovery.applied(hard)
    assert recovery.streak == 0 and recovery.typical.largest_loss == 9.0
    recovery.applied(update(10, 90.0))
    assert recovery.streak == 1, "excused was that update, no other"


def test_a_state_is_kept_every_sixteen_updates_and_amid_no_streak() -> None:
    recovery = begun(State(), EVERY, step=100)
    assert not recovery.is_due(update(100 + EVERY)) and recovery.is_due(update(101 + EVERY))
    assert not recovery.is_due(update(101 + EVERY, 9.0)), "it shows that the state is ruined"
    recovery.applied(update(101 + EVERY, 9.0))
    assert not recovery.is_due(update(102 + EVERY))
    assert not Recovery().is_due(update(99)), "the first is kept by whoever trains"


def test_going_back_cuts_the_rate_further_each_time() -> None:
    adapters = State()
    recovery = begun(adapters, 2)
    drawn = torch.rand(1)
    left = 1.0
    for times, cut in enumerate(CUTS, 1):
        adapters.value += 5
        recovery.applied(update(5, 9.0))
        snapshot = recovery.go_back(adapters, CPU)
        left *= cut
        assert (snapshot.step, adapters.value.item(), recovery.streak) == (0, 0.0, 0)
        assert (recovery.attempts, recovery.rate_scale) == (times, left)
        assert recovery.typical == SpikeDetector() and torch.equal(torch.rand(1), drawn)
    assert len(CUTS) == ATTEMPTS, "each time has its cut"
    with pytest.raises(ValueError, match="nothing was kept"):
        Recovery().go_back(adapters, CPU)


def test_what_a_checkpoint_holds_is_what_a_resume_has() -> None:
    recovery = begun(State())
    recovery.left_out, recovery.history = frozenset({7, 3}), [{"step": 2}]
    recovery.applied(update(5, 9.0))
    line = json.loads(json.dumps(recovery.line()))
    assert line["left_out"] == [3, 7] and line["snapshot"]["step"] == 0
    other = Recovery()
    other.restore(line, recovery.snapshot)
    assert other.line() == recovery.line() and other.streak == 1
    other.restore({**line, "snapshot": None}, None)
    assert other.line()["snapshot"] is None
