"""Going on where a run stopped: the same plan, the last complete checkpoint, nothing else."""

from __future__ import annotations

from pathlib import Path

from suretune import rundir
from suretune.run.check import Checked, check, with_weights
from suretune.run.fit import Fit, point_to
from suretune.run.folder import read_config, settings
from suretune.run.journal import Journal
from suretune.train import checkpoint
from suretune.types import SetupFacts


def reopen(run: Path, journal: Journal) -> Checked:
    """The run as it was asked for; stops if rows, flags or base would now give another plan."""
    if not (run / "run.json").is_file():
        raise journal.stop(SetupFacts("adapter-missing", str(run)))
    asked = read_config(run / "config.yaml")
    journal.heed(asked.config.run.ignore)
    checked = with_weights(check(asked, journal), journal)
    then = rundir.read_json(run / "plan.json")["digest"]
    about = rundir.read_json(run / "run.json")
    base, settled = about["base"]["fingerprint"], about.get("settings", {})
    changed = [
        name
        for name, before, now in (
            ("plan (rows or flags)", then, checked.plan.digest),
            ("base", base, checked.base.fingerprint()),
            *((name, settled.get(name, now), now) for name, now in settings(asked).items()),
        )
        if before != now
    ]
    if changed:
        raise journal.stop(SetupFacts("changed-since", ", ".join(changed), found=str(run)))
    return checked


def continue_from(job: Fit) -> int:
    """Restore the newest undamaged checkpoint; the updates done, 0 if there is none.

    What the log says about later updates is taken back: they will be made again.
    """
    folder = job.run / "checkpoints"
    if folder.is_dir():
        rundir.sweep(folder)
    done = 0
    for step, path in reversed(rundir.checkpoints(job.run)):
        if found := rundir.damage(path) or _foreign(path, job):
            job.journal.look(SetupFacts("checkpoint-damaged", str(path), found=found), stops=False)
            continue
        done = checkpoint.restore(path, job.learner)
        job.journal.event("resumed", step=step)
        break
    for name in ("steps.jsonl", "evals.jsonl"):
        path = job.run / name
        rundir.write_jsonl(path, [line for line in rundir.read_jsonl(path) if line["step"] <= done])
    logged = [line["step"] for line in rundir.read_jsonl(job.run / "steps.jsonl")]
    if lost := sorted(set(range(1, done + 1)) - set(logged)):
        found = f"{len(lost)} of {done} updates are missing, the first is {lost[0]}"
        log = SetupFacts("checkpoint-damaged", str(job.run / "steps.jsonl"), found=found)
        job.journal.look(log, stops=False)
    evals = rundir.read_jsonl(job.run / "evals.jsonl")
    job.evals = [(line["step"], line["held_out_loss"]) for line in evals] if done else []
    if not done:
        (job.run / "evals.jsonl").unlink(missing_ok=True)
    for step, path in rundir.checkpoints(job.run):  # the kill may have come before the pointers
        if step == done:
            point_to(job, path, step)
    return done


def _foreign(path: Path, job: Fit) -> str:
    """Whose checkpoint this is, if it is not this run's; empty if it is."""
    plan = rundir.read_json(path / rundir.MANIFEST).get("plan")
    return "" if plan == job.checked.plan.digest else "it belongs to another plan"
