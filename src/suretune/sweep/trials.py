"""One run of a sweep: `suretune sft` in a process of its own, taken up again where it was killed,
and what came of it."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from suretune import words
from suretune.record.lock import LOCK
from suretune.reported import Report
from suretune.verify.probes import AS_TRAINED

SEALED, UNPROVEN, STOPPED, FAILED = "sealed", "not-verified", "stopped", "failed"
UNMEASURED = "forgetting-not-measured"
PROOF = 1000  # a seal outweighs everything else
LEAST = 1e-3  # what updates may decide: less than one answer of the skills


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the report of a run says. Shares between 0 and 1."""

    state: str
    probes: float | None = None  # of the judged probes, asked as trained
    skill_lost: float | None = None
    held_out: float | None = None  # loss after / before
    updates: int = 0
    planned: int = 0
    seconds: float | None = None
    reasons: tuple[str, ...] = ()

    @property
    def judged(self) -> bool:
        """Whether the run came to a verdict."""
        return self.state in (SEALED, UNPROVEN, UNMEASURED)

    @property
    def score(self) -> float:
        """One number, greater is better: sealed, then probes, then skills, then fewer updates.

        Each counts only where those before it are equal: probes in whole hundredths, skills below
        one of these. Optuna's sampler looks at the order of the trials alone, so the steps between
        them distort nothing; and one number gives one best command, where several would give a
        front of compromises. Without probes the held-out loss takes their place.
        """
        passed = self.probes if self.probes is not None else 1 - min(self.held_out or 0.0, 1.0)
        kept = 1 - min(max(self.skill_lost or 0.0, 0.0), 1.0)
        few = 1 - self.updates / self.planned if self.planned else 0.0
        return PROOF * (self.state == SEALED) + round(100 * passed) + 0.99 * kept + LEAST * few

    def line(self) -> dict[str, Any]:
        """As JSON; without a score where nothing was judged."""
        return {**asdict(self), "score": round(self.score, 4) if self.judged else None}


@dataclass(slots=True)
class Job:
    """A run of a trial under way."""

    trial: int
    run: Path
    slot: int
    process: subprocess.Popen[bytes]


def start(
    trial: int,
    run: Path,
    slot: int,
    flags: Sequence[str],
    env: Mapping[str, str],
) -> Job:
    """A new run, or `suretune resume` where one was begun."""
    begun = (run / "run.json").is_file()
    if not begun:
        shutil.rmtree(run, ignore_errors=True)  # killed before it had written what it is about
    asked = ["resume", str(run)] if begun else ["sft", *flags, f"--output_dir={run}"]
    command = [sys.executable, "-m", "suretune", *asked, "--json"]
    with _said(run, "json").open("wb") as out, _said(run, "log").open("ab") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=log,
            env={**os.environ, "SURETUNE_LANG": words.language(), **env},
        )
    return Job(trial, run, slot, process)


def wait_for_writer(run: Path) -> None:
    """A run outlives a sweep that was killed: let it end before it is taken up."""
    lock = run / LOCK
    if lock.is_file():
        with lock.open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)


def finished(run: Path) -> bool:
    """Whether there is nothing left to do in this folder."""
    return (run / "report.json").is_file()


def outcome(run: Path, status: int = 0) -> Outcome:
    """What the folder says; for a run that never had one, what the process said."""
    if finished(run):
        return _of_report(Report.read(run / "report.json"))
    findings = _printed(run).get("findings", [])
    if findings:
        return Outcome(STOPPED, reasons=tuple(f"{f['code']} {f['name']}" for f in findings))
    if status < 0:
        return Outcome(FAILED, reasons=(f"signal {-status}",))
    said = _said(run, "log").read_text("utf-8", "replace").strip() if status else ""
    return Outcome(FAILED, reasons=(said.rpartition("\n")[2] or f"exit status {status}",))


def _said(run: Path, kind: str) -> Path:
    """What the process prints goes beside the folder, which is its own to make."""
    return run.with_name(f"{run.name}.{kind}")


def _printed(run: Path) -> dict[str, Any]:
    path = _said(run, "json")
    lines = path.read_text("utf-8", "replace").strip().splitlines() if path.is_file() else []
    if not lines or not lines[-1].startswith("{"):
        return {}
    told: dict[str, Any] = json.loads(lines[-1])
    return told


def _lost(general: Mapping[str, Any] | None) -> float | None:
    """Net loss of general answers; None where the base has too few right ones to lose."""
    if not general or not general["enough"]:
        return None
    return float((general["before"] - general["after"]) / general["counted"])


def _of_report(report: Report) -> Outcome:
    """Raises ValueError for a report with a verdict and without what was measured for it."""
    updates = report.steps[-1]["step"] if report.steps else 0
    planned, reasons = report.plan.updates, tuple(report.reasons)
    if report.verdict == STOPPED:
        return Outcome(
            STOPPED,
            updates=updates,
            planned=planned,
            reasons=reasons,
        )
    held, seconds = report.held_out, report.seconds
    if report.probes is None or held is None or seconds is None:
        raise ValueError(f"{report.run}: a verdict, and nothing was measured")
    judged = [
        probe["passed_after"]
        for probe in report.probes
        if probe["passed_after"] is not None and probe["variant"] == AS_TRAINED
    ]
    return Outcome(
        report.verdict,
        probes=sum(judged) / len(judged) if judged else None,
        skill_lost=_lost(report.general),
        held_out=held.after / held.before if held.before and held.after else None,
        seconds=seconds["total"],
        updates=updates,
        planned=planned,
        reasons=reasons,
    )
