"""`--budget 10m`: a schedule that ends in time, its proof included.

Two updates are computed and not applied: the largest of the plan and one of middling size. A line
through their times says how long every update will take; as many are kept as fit. The plan of
fewer updates is a prefix of the longer one, warmed up and brought to zero in its own length.
"""

from __future__ import annotations

import math
import os
import time
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from suretune.config import Resolved
from suretune.data.choose import auto, looks, settled
from suretune.data.plan import make_plan
from suretune.facts import SetupFacts
from suretune.preflight.check import Checked
from suretune.record.journal import Journal
from suretune.train.loop import Learner, gradient
from suretune.types import Text

MARGIN = 0.03  # of the budget, for what varies
ORIGIN = "--budget"
FEW = 10  # updates: with fewer there is hardly anything to prove
SLACK = 1.1  # in what is advised


@dataclass(frozen=True, slots=True)
class Clock:
    """Moments of `time.perf_counter`, in seconds: when the process began, when all must be over."""

    began: float
    end: float

    @property
    def left(self) -> float:
        """Seconds until the end; negative once it is over."""
        return self.end - time.perf_counter()


def process_age() -> float:
    """Seconds since this process began, imports included; 0 where /proc does not say."""
    try:
        began = int(Path("/proc/self/stat").read_text().rsplit(")", 1)[1].split()[19])
        up = float(Path("/proc/uptime").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return 0.0
    return max(0.0, up - began / os.sysconf("SC_CLK_TCK"))


def fitting(
    checked: Checked,
    learner: Learner,
    clock: Clock,
    reserve: float,
    probing: float,
    journal: Journal,
) -> int:
    """How many updates of the plan (anchors in it) the time allows; a stop when not even one.

    `reserve`: seconds that the proof will take; `probing`: seconds of one evaluation on the way.
    """
    plan, asked = checked.plan, checked.resolved.config.schedule.budget
    begin = time.perf_counter()
    if lacking := learner.engine.prepare(checked.samples, plan, 0):
        learner.notes.append(lacking)
    again = time.perf_counter() - begin  # to prepare for fewer updates
    start, slope = _measured(checked, learner)
    room = clock.left - reserve - again - MARGIN * (clock.end - clock.began)
    asked_after = looks(plan.probe_steps, settled(checked.base.hidden))
    fits, spent = 0, 0.0
    for update in plan.updates:
        spent += start + slope * update.tokens + probing * (update.step in asked_after)
        if spent > room:
            break
        fits = update.step
    each = start + slope * plan.tokens / len(plan.updates)
    journal.event(
        "budget",
        seconds=round(clock.end - clock.began, 1),
        left=round(clock.left, 1),
        for_proof=round(reserve, 1),
        seconds_per_update=round(each, 4),
        fits=fits,
        planned=plan.schedule.total,
    )
    if not fits:
        left = max(room, 0)
        found = Text(
            f"{each:.2f} s an update; {left:.1f} s are left",
            f"每次更新 {each:.2f} 秒，只剩 {left:.1f} 秒",
        )
        rest = clock.end - clock.began - room
        looking = probing * len(asked_after) / len(plan.updates)
        hint = _longer(rest, each + looking, plan.schedule.total)
        raise journal.stop(
            SetupFacts(
                "budget-too-small",
                f"{ORIGIN} {asked}",
                found=found,
                hint=hint,
            )
        )
    return fits


def _longer(rest: float, each: float, updates: int) -> Text:
    """Budgets that would do, `rest` being what is no update: for some of these, and for all."""
    few, whole = (
        f"`{ORIGIN} {math.ceil(SLACK * (rest + each * count))}s`"
        for count in (min(updates, FEW), updates)
    )
    if few == whole:
        return Text(f"{whole} would do.", f"{whole} 就够。")
    return Text(
        f"{few} is enough for {FEW} updates, {whole} for all {updates}.",
        f"{few} 够做 {FEW} 次更新，全部 {updates} 次要 {whole}。",
    )


def _measured(checked: Checked, learner: Learner) -> tuple[float, float]:
    """(seconds, seconds per token): the line through the times of two updates."""
    by_size = sorted(checked.plan.updates, key=lambda update: update.tokens)
    times = []
    devices = [learner.device] if learner.device.type == "cuda" else []
    with torch.random.fork_rng(devices):  # dropout must not differ from a run that is resumed
        for update in (by_size[-1], by_size[-1], by_size[len(by_size) // 2]):  # the first warms up
            begin = time.perf_counter()
            gradient(learner, [checked.samples[i] for i in update.samples], update.loss_weight)
            times.append((update.tokens, time.perf_counter() - begin))
    learner.adapters.zero()
    (large, long), (small, short) = times[1:]
    slope = max(0.0, (long - short) / (large - small)) if large > small else 0.0
    return max(short - slope * small, 0.0), slope


def is_cut(resolved: Resolved) -> bool:
    """Whether a budget has already decided: a run that goes on keeps its schedule."""
    return resolved.config.schedule.max_steps is not None and not resolved.given("max_steps")


def cut(checked: Checked, updates: int) -> Checked:
    """The same run (anchors not in it) with this many updates."""
    why = auto(f"{ORIGIN}: so many fit", f"{ORIGIN}：时间内能完成的次数")
    resolved = checked.resolved.with_values(why, max_steps=updates)
    plan = make_plan(
        checked.samples,
        checked.plan.held_out,
        resolved.config.schedule,
        probing=bool(checked.plan.probe_steps),
    )
    return replace(checked, resolved=resolved, plan=plan)
