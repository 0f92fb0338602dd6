"""A plan that can be added up on paper: what every number of it is, not that there is one."""

from __future__ import annotations

import math
from array import array
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from conftest import as_json, within, write_rows
from suretune.data.plan import count_updates, learning_rate, make_plan, packs, plan_facts, without
from suretune.options import ScheduleOptions
from suretune.types import Origin, Plan, Sample, Schedule, Span, Update

# Five rows of 10, 11, ... tokens, of which 2, 3, ... are learned, each with weight 0.5.
ROWS = [Sample(Origin("r", i + 1), "r", array("I", range(10 + i)), (Span(0, 2 + i, 0.5),), "flag")
        for i in range(5)]  # fmt: skip
ASKED = ScheduleOptions(
    num_train_epochs=3, learning_rate=1e-3, per_device_train_batch_size=1,
    gradient_accumulation_steps=2, warmup_ratio=0.0,
)  # fmt: skip


def planned(held_out: int = 0, probing: bool = False, **asked: Any) -> Plan:
    return make_plan(ROWS, held_out, replace(ASKED, **asked), probing=probing)


def test_updates_are_numbered_and_add_up() -> None:
    plan = planned()
    assert [(u.step, u.epoch) for u in plan.updates] == [
        (1, 0), (2, 0), (3, 0), (4, 1), (5, 1), (6, 1), (7, 2), (8, 2), (9, 2)]  # fmt: skip
    for update in plan.updates:
        assert update.tokens == sum(10 + i for i in update.samples)
        assert update.learned == sum(2 + i for i in update.samples)
        assert update.loss_weight == sum((2 + i) * 0.5 for i in update.samples)
    assert (plan.per_epoch, plan.rows, plan.held_out, plan.longest) == (3, 5, 0, 14)
    assert (plan.tokens, plan.learned) == (3 * 60, 3 * 20)
    orders = [tuple(i for u in plan.updates[n : n + 3] for i in u.samples) for n in (0, 3, 6)]
    assert len(set(orders)) > 1  # each epoch has its own


def test_where_datasets_share_the_loss_every_row_weighs_the_mean() -> None:
    shared = planned(mix="datasets")
    assert [u.loss_weight for u in shared.updates] == [2.0 * len(u.samples) for u in shared.updates]
    assert planned(mix="tokens").updates == planned().updates != shared.updates


@pytest.mark.parametrize(
    ("epochs", "steps", "samples", "updates"),
    [(3, None, 5, 9), (0.5, None, 5, 2), (1 / 3, None, 5, 1), (0.01, None, 5, 1), (3, 7, 5, 7),
     (2, None, 4, 4), (1, None, 1, 1)],
)  # fmt: skip
def test_updates_are_counted_from_epochs_or_asked_for(
    epochs: float, steps: int | None, samples: int, updates: int
) -> None:
    asked = replace(ASKED, num_train_epochs=epochs, max_steps=steps)
    assert count_updates(asked, samples) == updates


@pytest.mark.parametrize(("rows", "steps", "epochs"), [(1, 20, 20), (60, 20, 5), (60, 3, 0.75)])
def test_epochs_of_so_many_updates_are_the_passes_that_are_made(
    rows: int, steps: int, epochs: float, tmp_path: Path
) -> None:
    """The last update of a pass has the rows that are left, so one row is 20 passes and not 320."""
    file = write_rows(
        tmp_path / "rows.jsonl",
        [{"query": f"What is {n} + 1?", "response": str(n + 1)} for n in range(rows)],
    )
    asked = ("--dataset", file, "--split_dataset_ratio", 0, "--max_steps", steps)
    plan = as_json(within("check", "--model", "pocket", *asked, "--json"))["plan"]
    assert (plan["rows"], plan["updates"], plan["epochs"]) == (rows, steps, epochs)


def test_intervals_end_with_the_last_update() -> None:
    plan = planned(held_out=1, eval_steps=4, save_steps=3)
    assert plan.eval_steps == (4, 8, 9) and plan.save_steps == (3, 4, 6, 8, 9)
    short = planned(held_out=1, eval_steps=5, save_steps=10)
    assert short.eval_steps == (5, 9) and short.save_steps == (5, 9), "nothing behind the end"
    bare = planned(eval_steps=4, save_steps=None)
    assert bare.eval_steps == () and bare.save_steps == (9,)


@pytest.mark.parametrize(("updates", "every"), [(9, 4), (80, 4), (81, 5), (200, 10), (201, 11)])
def test_probes_are_asked_twenty_times_at_most_and_four_updates_apart(
    updates: int, every: int
) -> None:
    steps = planned(probing=True, max_steps=updates).probe_steps
    assert steps == tuple(sorted({*range(every, updates + 1, every), updates}))
    assert planned(max_steps=updates).probe_steps == ()


@pytest.mark.parametrize(
    ("ratio", "steps", "warmup"),
    [(0.0, None, 0), (0.05, None, 2), (0.5, None, 5), (1.0, None, 9), (0.5, 3, 3), (0.0, 0, 0)],
)
def test_the_climb_is_as_long_as_was_asked(ratio: float, steps: int | None, warmup: int) -> None:
    assert planned(warmup_ratio=ratio, warmup_steps=steps).schedule.warmup == warmup


def test_what_cannot_be_planned_is_an_error() -> None:
    for asked in ({"num_train_epochs": None}, {"learning_rate": None}):
        with pytest.raises(ValueError, match="must be chosen"):
            planned(**asked)
    with pytest.raises(ValueError, match="nothing to plan"):
        make_plan([], 0, ASKED)


def test_rates_of_every_kind_by_hand() -> None:
    def rates(kind: str, warmup: int = 2) -> list[float]:
        return [learning_rate(Schedule(kind, 1.0, warmup, 6), step) for step in range(1, 7)]

    assert rates("constant") == [0.5, 1, 1, 1, 1, 1]
    assert rates("linear") == [0.5, 1, 1, 0.75, 0.5, 0.25]
    cosine = [0.5 * (1 - math.cos(math.pi * left)) for left in (1, 0.75, 0.5, 0.25)]
    assert rates("cosine") == pytest.approx([0.5, 1, *cosine])
    assert rates("linear", 0)[0] == 1 and rates("linear", 6)[-1] == 1
    assert rates("linear", 5)[-1] == rates("cosine", 5)[-1] == 1, "one update is left for the way"


def test_passes_are_as_few_as_the_budget_allows() -> None:
    assert packs([4, 4, 4, 9, 1, 2], 8) == [[0, 1], [2], [3], [4, 5]]
    assert packs([8, 8], 8) == [[0], [1]] and packs([20], 8) == [[0]] and packs([], 8) == []
    assert packs([3, 5], 8) == [[0, 1]] and packs([3, 6], 8) == [[0], [1]]


def test_a_row_left_out_was_never_there() -> None:
    update = Update(7, 2, (0, 2, 4), 36, 12, 6.0)
    assert without(update, ROWS, {1, 3}) is update
    assert without(update, ROWS, {2}) == Update(7, 2, (0, 4), 24, 8, 4.0)
    even = replace(update, loss_weight=9.0)  # every row counts as the mean one
    assert without(even, ROWS, {2}).loss_weight == 6.0


def test_what_the_guards_of_a_schedule_are_told() -> None:
    asked = replace(ASKED, eval_steps=3, save_steps=4, early_stopping_patience=2, warmup_steps=5)
    facts = plan_facts(make_plan(ROWS, 1, asked), asked, True, 2e-3)
    assert (facts.updates, facts.rows, facts.held_out, facts.epochs) == (9, 5, 1, 3)
    assert (facts.rows_per_update, facts.eval_every, facts.save_every) == (2, 3, 4)
    assert (facts.evaluations, facts.patience) == (3, 2)  # the base's, and after updates 3 and 6
    assert (facts.warmup, facts.warmup_asked, facts.eval_asked) == (5, 5, True)
    assert (facts.learning_rate, facts.usual_rate, facts.by_steps) == (1e-3, 2e-3, False)
    bare = plan_facts(planned(max_steps=4), replace(ASKED, max_steps=4), False, 0.0)
    assert (bare.evaluations, bare.eval_every, bare.patience, bare.by_steps) == (0, 0, 0, True)
    assert (bare.save_every, bare.warmup_asked, bare.eval_asked) == (
        ASKED.save_steps or 0,
        0,
        False,
    )
