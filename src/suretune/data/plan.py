"""Samples -> Plan: which rows make which update, and when things happen. Pure and hashable.

An update is the statement "these rows, one step"; how many passes compute it is the loop's
business. So batch size and accumulation only ever appear here as their product.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence, Set

from suretune.facts import PlanFacts
from suretune.options import ScheduleOptions
from suretune.rundir import digest_of
from suretune.types import Plan, Sample, Schedule, Update

PROBINGS = 20  # at most this often the probes are asked on the way
LEAST_APART = 4  # updates between two of these times
MIN_WARMUP = 2  # updates; Adam's first steps are its largest


def make_plan(
    samples: Sequence[Sample],
    held_out: int,
    asked: ScheduleOptions,
    *,
    probing: bool = False,
) -> Plan:
    """The plan of a run; every auto of `asked` must be resolved. `probing`: ask on the way.

    Epochs shuffle by seed and epoch alone, so an epoch's order does not depend on how many follow.
    """
    if asked.num_train_epochs is None or asked.learning_rate is None:
        raise ValueError("epochs and learning rate must be chosen before planning")
    if not samples:
        raise ValueError("there is nothing to plan: no sample")
    size = asked.rows_per_update
    per_epoch, schedule, evals, saves = timetable(
        len(samples),
        held_out,
        asked,
    )
    total = schedule.total
    updates = tuple(_updates(samples, size, total, asked))
    every = max(LEAST_APART, math.ceil(total / PROBINGS))
    probes = _every(every, total) if probing else ()
    content = [(str(s.origin), s.turn, s.repeat, s.ids.tolist(), _spans(s)) for s in samples]
    digest = digest_of([content, updates, schedule, evals, saves, probes])
    return Plan(
        updates=updates,
        schedule=schedule,
        eval_steps=evals,
        save_steps=saves,
        probe_steps=probes,
        per_epoch=per_epoch,
        rows=len(samples),
        held_out=held_out,
        tokens=sum(u.tokens for u in updates),
        learned=sum(u.learned for u in updates),
        longest=max(len(s.ids) for s in samples),
        digest=digest,
    )


def count_updates(asked: ScheduleOptions, samples: int) -> int:
    """Updates of a schedule whose epochs, or whose number of steps, are known."""
    size = asked.rows_per_update
    epochs = asked.num_train_epochs or 0.0
    return asked.max_steps or max(1, math.ceil(epochs * math.ceil(samples / size) - 1e-9))


def timetable(
    rows: int,
    held_out: int,
    asked: ScheduleOptions,
) -> tuple[int, Schedule, tuple[int, ...], tuple[int, ...]]:
    """(updates an epoch, schedule, evaluations, saves) of a run over this many samples."""
    size = asked.rows_per_update
    per_epoch = math.ceil(rows / size)
    total = count_updates(asked, rows)
    schedule = Schedule(
        asked.lr_scheduler_type,
        asked.learning_rate or 0.0,
        _warmup(asked, total),
        total,
    )
    evals = _every(asked.eval_steps, total) if held_out else ()
    return per_epoch, schedule, evals, tuple(sorted({*_every(asked.save_steps, total), *evals}))


def _spans(sample: Sample) -> list[tuple[int, int, float]]:
    return [(span.start, span.end, span.weight) for span in sample.spans]


def _updates(
    samples: Sequence[Sample],
    size: int,
    total: int,
    asked: ScheduleOptions,
) -> list[Update]:
    made: list[Update] = []
    # Where datasets share the loss, rows that weigh little must not gain by standing together:
    # then every row counts as the mean one in the denominator.
    mean = sum(s.loss_weight for s in samples) / len(samples)
    even = asked.mix not in (None, "tokens")
    epoch = 0
    while len(made) < total:
        order = list(range(len(samples)))
        random.Random(f"{asked.seed}-{epoch}").shuffle(order)
        for start in range(0, len(order), size):
            rows = tuple(order[start : start + size])
            weight = mean * len(rows) if even else sum(samples[i].loss_weight for i in rows)
            made.append(_update(len(made) + 1, epoch, rows, samples, weight))
        epoch += 1
    return made[:total]


def _update(
    step: int,
    epoch: int,
    rows: tuple[int, ...],
    samples: Sequence[Sample],
    loss_weight: float,
) -> Update:
    chosen = [samples[i] for i in rows]
    return Update(
        step,
        epoch,
        rows,
        sum(len(s.ids) for s in chosen),
        sum(s.learned for s in chosen),
        loss_weight,
    )


def _warmup(asked: ScheduleOptions, total: int) -> int:
    if asked.warmup_steps is not None:
        return asked.warmup_steps
    ratio = math.ceil(asked.warmup_ratio * total)
    return min(max(ratio, MIN_WARMUP), total) if asked.warmup_ratio else 0


def _every(steps: int | None, total: int) -> tuple[int, ...]:
    """Multiples of `steps`, and the last update always."""
    return tuple(sorted({*range(steps, total + 1, steps), total})) if steps else (total,)


def learning_rate(schedule: Schedule, step: int) -> float:
    """The rate of update `step` (from 1): a linear climb, then constant, or down to zero."""
    if step <= schedule.warmup:
        return schedule.peak * step / schedule.warmup
    if schedule.kind == "constant":
        return schedule.peak
    left = (schedule.total - step + 1) / max(1, schedule.total - schedule.warmup)
    if schedule.kind == "linear":
        return schedule.peak * left
    return schedule.peak * 0.5 * (1 - math.cos(math.pi * left))


def packs(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """The rows of an update, in order, in as few passes as the token budget allows.

    A row longer than the budget gets a pass of its own.
    """
    made: list[list[int]] = []
    room = 0
    for index, length in enumerate(lengths):
        if not made or length > room:
            made.append([])
            room = budget
        made[-1].append(index)
        room -= length
    return made


def without(
    update: Update,
    samples: Sequence[Sample],
    left_out: Set[int],
) -> Update:
    """The same update, had these samples never been there."""
    if left_out.isdisjoint(update.samples):
        return update
    rows = tuple(i for i in update.samples if i not in left_out)
    whole = sum(samples[i].loss_weight for i in update.samples)
    weight = sum(samples[i].loss_weight for i in rows)
    if not math.isclose(whole, update.loss_weight):  # every row counts as the mean one
        weight = update.loss_weight * len(rows) / len(update.samples)
    return _update(update.step, update.epoch, rows, samples, weight)


def plan_facts(
    plan: Plan,
    asked: ScheduleOptions,
    eval_asked: bool,
    usual_rate: float,
    *,
    instead: tuple[int, tuple[str, ...]] = (0, ()),
) -> PlanFacts:
    """What the schedule's guards look at; `instead`: as `choose.settles_after` gives it."""
    total = plan.schedule.total
    before_last = 1 + sum(step < total for step in plan.eval_steps) if plan.held_out else 0
    size = asked.rows_per_update
    return PlanFacts(
        updates=total,
        rows=plan.rows,
        held_out=plan.held_out,
        epochs=asked.num_train_epochs or 0.0,
        rows_per_update=size,
        eval_every=asked.eval_steps or 0,
        save_every=asked.save_steps or 0,
        evaluations=before_last,
        patience=asked.early_stopping_patience or 0,
        warmup=plan.schedule.warmup,
        warmup_asked=asked.warmup_steps or 0,
        eval_asked=eval_asked,
        learning_rate=plan.schedule.peak,
        usual_rate=usual_rate,
        by_steps=asked.max_steps is not None,
        settles=instead[0],
        instead=instead[1],
    )
