"""What a schedule comes to before anything is run: updates, and what would never happen."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from suretune.config import Resolved
from suretune.data.choose import choose_split
from suretune.data.plan import plan_facts, timetable
from suretune.facts import Finding
from suretune.guards import judge
from suretune.types import Plan, Text

MOST_UPDATES = 1_000_000  # beyond, nobody pasted a command
_MENDED = re.compile(r"`--(\w+) ([\w.]+)`")


@dataclass(frozen=True, slots=True)
class Sums:
    """The schedule in numbers."""

    rows: int | None  # that are trained on; None: unknown
    held_out: int
    per_update: int
    epochs: float | None
    per_epoch: int = 0
    updates: int = 0
    warmup: int = 0
    evaluations: tuple[int, ...] = ()
    saves: tuple[int, ...] = ()


def add_up(
    resolved: Resolved,
    rows: int | None,
    *,
    here: bool,
) -> tuple[Sums, Plan | None]:
    """The numbers, by the code that plans a run; of the plan, all but the rows of each update.

    `here`: with the rows that suretune holds out on its own account.
    """
    asked, data = resolved.config.schedule, resolved.config.data
    size = asked.rows_per_update
    epochs = asked.num_train_epochs
    if rows:
        chosen = choose_split(resolved, identity=True, rows=rows) if here else resolved
        held = min(round((chosen.config.data.split_dataset_ratio or 0.0) * rows), rows - 1)
        train = rows - held
        held = held or len(data.val_dataset)  # of a file apart it is enough that there are some
        updates = asked.max_steps or (epochs or 0) * (train / size + 1)
        if 0 < updates <= MOST_UPDATES:
            per_epoch, schedule, evals, saves = timetable(train, held, asked)
            plan = Plan(
                (),
                schedule=schedule,
                eval_steps=evals,
                save_steps=saves,
                probe_steps=(),
                per_epoch=per_epoch,
                rows=train,
                held_out=held,
                tokens=0,
                learned=0,
                longest=0,
                digest="",
            )
            early = evals[:1000], saves[:1000]
            sums = Sums(
                train,
                held,
                size,
                epochs,
                per_epoch,
                schedule.total,
                schedule.warmup,
                *early,
            )
            return sums, plan
    return Sums(rows, 0, size, epochs), None


TIMETABLE = ("S004", "S005", "S006", "S007")  # what never fires; not how much is learned


def mend(
    resolved: Resolved,
    rows: int | None,
    set_to: Callable[[Finding, str, str], Resolved],
) -> list[Finding]:
    """The findings of the guards that judge schedules; each is mended as it says.

    `set_to(finding, option, value)` makes the change; an empty value takes the option out.
    """
    told: list[Finding] = []
    for _ in range(6):  # one mend may make another necessary
        _, plan = add_up(resolved, rows, here=True)
        schedule = resolved.config.schedule
        eval_asked = resolved.given("eval_steps") or resolved.given("early_stopping_patience")
        judged = judge(plan_facts(plan, schedule, eval_asked, 0.0)) if plan else []
        found = [finding for finding in judged if finding.code in TIMETABLE]
        if not found:
            break
        told.append(found[0])
        named = _MENDED.search(found[0].fix.en)
        flag = found[0].where.removeprefix("--")
        option, value = (named[1], named[2]) if named else (flag, "")
        if option != flag and flag == "warmup_steps":
            set_to(found[0], flag, "")
        resolved = set_to(found[0], option, value)
    return told


def needs(resolved: Resolved) -> list[tuple[str, int, int]]:
    """(flag, N, rows from which it happens at all), for every interval that was asked for."""
    asked = resolved.config.schedule
    size = asked.rows_per_update
    if asked.num_train_epochs is None or asked.max_steps is not None:
        return []
    told = []
    for flag, every in (("eval_steps", asked.eval_steps), ("save_steps", asked.save_steps)):
        if every and 1 < every <= MOST_UPDATES:
            per_epoch = math.floor((every - 1) / asked.num_train_epochs) + 1
            told.append((f"--{flag}", every, (per_epoch - 1) * size + 1))
    return told


def sentences(sums: Sums, here: Sums | None, resolved: Resolved) -> list[Text]:
    """The arithmetic in words."""
    size, epochs = sums.per_update, sums.epochs
    if not sums.updates:
        if epochs is None:
            return [
                Text(
                    "Epochs are not given: suretune chooses them from the rows.",
                    "没有写训练几轮：由 suretune 按数据多少选定。",
                )
            ]
        told = [
            Text(
                f"Rows unknown: updates = ceil({epochs:g} x ceil(rows / {size})).",
                f"不知道有多少条数据：更新次数 = `ceil({epochs:g} × ceil(行数 / {size}))`。",
            )
        ]
        told += [
            Text(
                f"`{flag} {every}` happens only with {rows} rows or more.",
                f"至少要 {rows} 条数据，`{flag} {every}` 才会发生一次。",
            )
            for flag, every, rows in needs(resolved)
        ]
        return told
    last = sums.updates
    limit = resolved.config.schedule.max_steps
    if limit:
        first = Text(f"{limit} updates of {size} rows.", f"{limit} 次更新，每次 {size} 行。")
    else:
        apart = Text(f" ({sums.held_out} held out)", f"（另留出 {sums.held_out} 条）")
        held = apart if sums.held_out and not resolved.config.data.val_dataset else Text("", "")
        first = Text(
            f"{sums.rows} rows{held.en} / {size} an update = {sums.per_epoch} updates an epoch;"
            f" x {epochs or 0:g} epochs = {last} updates.",
            f"{sums.rows} 条数据{held.zh} ÷ 每次 {size} 条 = 每轮 {sums.per_epoch} 次更新；"
            f"× {epochs or 0:g} 轮 = {last} 次更新。",
        )
    ends = Text(
        f"Warm-up: {sums.warmup} updates. The last checkpoint is of update {last}.",
        f"预热 {sums.warmup} 次更新。最后一个检查点是第 {last} 次更新的。",
    )
    told = [first, ends]
    wrong = round((sums.rows or 0) * (epochs or 0))
    if not limit and wrong > last:
        told.append(
            Text(
                f"A checkpoint-{wrong} (an update a row) cannot exist.",
                f"checkpoint-{wrong}（一条数据一次更新）不可能存在。",
            )
        )
    if here and here.updates and here.updates != last:
        told.append(
            Text(
                f"suretune holds out {here.held_out} rows to evaluate with:"
                f" {here.updates} updates.",
                f"suretune 会留出 {here.held_out} 条用于评估：共 {here.updates} 次更新。",
            )
        )
    return told


def as_data(sums: Sums) -> Mapping[str, Any]:
    """For `--json`."""
    return {
        "rows": sums.rows,
        "held_out": sums.held_out,
        "rows_per_update": sums.per_update,
        "epochs": sums.epochs,
        "updates_per_epoch": sums.per_epoch or None,
        "updates": sums.updates or None,
        "warmup": sums.warmup if sums.updates else None,
        "evaluations": list(sums.evaluations),
        "saves": list(sums.saves),
    }
