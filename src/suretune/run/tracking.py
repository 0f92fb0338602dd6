"""Which trackers a run has, and a run told to trackers afterwards, from its files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from suretune import rundir
from suretune.events import Began, Concluded, Ended, Evaluated, Event, Found, TakenBack, Updated
from suretune.facts import Finding
from suretune.options import RunOptions
from suretune.record.record import EVALS, EVENTS, STEPS
from suretune.run.folder import read_config, told_config
from suretune.run.resume import evaluation_of
from suretune.trackers import named_trackers
from suretune.trackers.following import PATIENCE, Following, tell_where
from suretune.types import StepRecord, Text

STOPPED = "stopped"  # the verdict of a run that came to none


def followers(options: RunOptions, patience: float = PATIENCE) -> list[Following]:
    """A listener for every tracker of `--report_to`."""
    name, folder = options.run_name, options.logging_dir
    return [Following(one, name, folder, patience) for one in named_trackers(options.report_to)]


def places(run: Path, options: RunOptions) -> list[str]:
    """`wandb: ADDRESS` for every tracker of a run, where it can be found."""
    found = ((one.name, tell_where(run, one.name)) for one in named_trackers(options.report_to))
    return [f"{name}: {where}" for name, where in found if where]


def events_of(run: Path) -> Iterator[Event]:
    """What the run told, in its order, from its files; `Ended` with status 0 if it has a verdict.

    Raises `rundir.Damaged` where a file is not what a run writes.
    """
    found = tuple(_finding(line) for line in rundir.read_jsonl(run / "findings.jsonl"))
    plan = {k: v for k, v in rundir.read_json(run / "plan.json").items() if k != "updates"}
    config = told_config(read_config(run / "config.yaml"))
    yield Began(run, config, plan, resumed=False, found=found)
    evals = [evaluation_of(line) for line in rundir.read_jsonl(run / EVALS)]
    yield from (Evaluated(one) for one in evals if not one.step)
    backs = taken_back(run)
    for line in rundir.read_jsonl(run / STEPS):
        while backs and backs[0].step < line["step"]:
            yield backs.pop(0)
        yield _updated(line, run / STEPS)
        yield from (Evaluated(one) for one in evals if one.step == line["step"])
    report = run / "report.json"
    told: Mapping[str, Any] = rundir.read_json(report) if report.is_file() else {}
    if told.get("verdict", STOPPED) == STOPPED:
        yield Ended(1, tuple(told.get("reasons", ())))
        return
    yield Concluded(0, told)


def taken_back(run: Path) -> list[TakenBack]:
    """How often the run went back by itself, by where it went on: each time once, for a run that
    was killed meanwhile went back to the same place again."""
    path = run / EVENTS
    told = rundir.read_jsonl(path) if path.is_file() else ()
    found = {
        line["attempts"]: TakenBack(line["back_to"], line["attempts"], line["step"] - 1, True)
        for line in told
        if line.get("event") == "rolled-back"
    }
    return sorted(found.values(), key=lambda one: one.step)


def _updated(line: Mapping[str, Any], path: Path) -> Updated:
    known = {field.name for field in fields(StepRecord)}
    try:
        record = StepRecord(**{k: v for k, v in line.items() if k in known})
    except TypeError as error:
        raise rundir.Damaged(path, error) from error
    return Updated(record, line.get("share_of_limit"))


def _finding(line: Mapping[str, Any]) -> Found:
    """As findings.jsonl has it."""
    known = {field.name for field in fields(Finding)}
    about: dict[str, Any] = {k: v for k, v in line.items() if k in known}
    for name in ("what", "why", "fix"):
        about[name] = Text(**about[name])
    about["parts"] = tuple(Text(**part) for part in about.get("parts", ()))
    about["also"] = tuple(about.get("also", ()))
    return Found(Finding(**about), bool(line.get("ignored")))


def track(run: Path, options: RunOptions, patience: float) -> dict[str, str]:
    """Tell every tracker of `options` the whole run; where each is found.

    A tracker that has a part of it already is told the rest. Raises `Refusal` with S047's facts
    for one that fails.
    """
    where = {}
    for follower in followers(options, patience):
        for event in events_of(run):
            follower.on(event)
        where[follower.name] = tell_where(run, follower.name)
    return where
