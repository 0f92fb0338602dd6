"""The plan: pure, hashable, and what the articles' arithmetic really comes to."""

from __future__ import annotations

import math
from array import array
from dataclasses import replace
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from suretune.data.plan import learning_rate, make_plan, packs, plan_facts
from suretune.options import ScheduleOptions
from suretune.types import Origin, Sample, Schedule, Span


def rows(number: int) -> list[Sample]:
    return [
        Sample(Origin("r", i), "r", array("I", range(10 + i % 7)), (Span(5, 9, 1.0),), "flag")
        for i in range(1, number + 1)
    ]


ASKED = ScheduleOptions(num_train_epochs=10, learning_rate=1e-4)


def test_the_articles_fifty_rows_make_forty_updates() -> None:
    """Not 500: SPEC, finding 4."""
    plan = make_plan(rows(50), 0, ASKED)
    assert plan.schedule.total == 40 and plan.schedule.warmup == 2
    other = replace(ASKED, gradient_accumulation_steps=8, num_train_epochs=15)
    assert make_plan(rows(50), 0, other).schedule.total == 105
    gentle = replace(ASKED, num_train_epochs=2)
    assert make_plan(rows(50), 0, gentle).schedule.total == 8


@given(st.integers(1, 200), st.integers(1, 40), st.integers(1, 5), st.integers(0, 9))
def test_every_row_is_learned_once_an_epoch(n: int, size: int, epochs: int, seed: int) -> None:
    asked = replace(ASKED, gradient_accumulation_steps=size, num_train_epochs=epochs, seed=seed)
    samples = rows(n)
    plan = make_plan(samples, 0, asked)
    seen = [index for update in plan.updates for index in update.samples]
    assert sorted(seen) == sorted(list(range(n)) * epochs)
    assert plan.tokens == epochs * sum(len(s.ids) for s in samples)
    assert plan.learned == epochs * sum(s.learned for s in samples)
    assert all(len(u.samples) <= size for u in plan.updates)


def test_batch_and_accumulation_count_only_as_a_product() -> None:
    one = replace(ASKED, per_device_train_batch_size=1, gradient_accumulation_steps=16)
    other = replace(ASKED, per_device_train_batch_size=16, gradient_accumulation_steps=1)
    assert make_plan(rows(50), 0, one) == make_plan(rows(50), 0, other)


def test_the_digest_names_rows_and_schedule() -> None:
    base = make_plan(rows(50), 0, ASKED)
    assert base.digest == make_plan(rows(50), 0, ASKED).digest
    changed = rows(50)
    changed[3].ids[0] += 1
    otherwise = rows(50)
    otherwise[3] = replace(otherwise[3], spans=(Span(6, 10, 1.0),))  # as many tokens, others
    others = [
        make_plan(changed, 0, ASKED),
        make_plan(otherwise, 0, ASKED),
        make_plan(rows(49), 0, ASKED),
        make_plan(rows(50), 0, replace(ASKED, seed=7)),
        make_plan(rows(50), 0, replace(ASKED, learning_rate=2e-4)),
        make_plan(rows(50), 3, replace(ASKED, eval_steps=10)),
    ]
    assert len({plan.digest for plan in (base, *others)}) == 7


def test_longer_training_begins_like_shorter_training() -> None:
    short = make_plan(rows(50), 0, ASKED)
    long = make_plan(rows(50), 0, replace(ASKED, num_train_epochs=20))
    assert long.updates[:40] == short.updates


def test_learning_rate_climbs_and_falls() -> None:
    for kind in ("cosine", "linear"):
        schedule = Schedule(kind, 1.0, 4, 40)
        rates = [learning_rate(schedule, step) for step in range(1, 41)]
        assert rates[:4] == [0.25, 0.5, 0.75, 1.0]
        assert rates[4] == 1.0 and all(a > b for a, b in pairwise(rates[4:]))
        assert 0 < rates[-1] < 0.1
    constant = Schedule("constant", 1.0, 0, 40)
    assert {learning_rate(constant, step) for step in range(1, 41)} == {1.0}
    half = learning_rate(Schedule("cosine", 1.0, 0, 40), 21)
    assert math.isclose(half, 0.5, abs_tol=1e-9)


@given(st.lists(st.integers(1, 50), min_size=1, max_size=60), st.integers(1, 100))
def test_packs_keep_order_and_budget(lengths: list[int], budget: int) -> None:
    made = packs(lengths, budget)
    assert [i for pack in made for i in pack] == list(range(len(lengths)))
    for pack in made:
        assert len(pack) == 1 or sum(lengths[i] for i in pack) <= budget


def test_evaluations_count_the_base_and_stop_before_the_last_update() -> None:
    asked = replace(ASKED, eval_steps=20, num_train_epochs=2, early_stopping_patience=2)
    plan = make_plan(rows(450), 20, asked)
    assert plan.schedule.total == 58 and plan.eval_steps == (20, 40, 58)
    facts = plan_facts(plan, asked, True, 1e-4)
    assert facts.evaluations == 3  # 0, 20, 40
    assert set(plan.eval_steps) <= set(plan.save_steps)
