"""Going on where a run stopped: the same plan, the last complete checkpoint, nothing else."""

from __future__ import annotations

from pathlib import Path

from suretune import rundir
from suretune.run.check import Checked, check, with_weights
from suretune.run.fit import Fit, point_to
from suretune.run.folder import read_config
from suretune.run.journal import Journal
from suretune.run.recovery import retell
from suretune.train import checkpoint
from suretune.types import Evaluation, SetupFacts


def reopen(run: Path, journal: Journal) -> Checked:
    """The run as it was asked for; stops if rows, flags or base would now give another plan."""
    if not (run / "run.json").is_file():
        raise journal.stop(SetupFacts("adapter-missing", str(run)))
    asked = read_config(run / "config.yaml")
    journal.heed(asked.config.run.ignore)
    checked = with_weights(check(asked, journal), journal)
    then = rundir.read_json(run / "plan.json")["digest"]
    base = rundir.read_json(run / "run.json")["base"]["fingerprint"]
    changed = [
        name
        for name, before, now in (
            ("plan (rows or flags)", then, checked.plan.digest),
            ("base", base, checked.base.fingerprint()),
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
        if found := rundir.damage(path):
            job.journal.look(SetupFacts("checkpoint-damaged", str(path), found=found), stops=False)
            continue
        done = checkpoint.restore(path, job.learner)
        checkpoint.restore_recovery(path, job.learner)
        job.journal.event("resumed", step=step)
        break
    retell(job)
    for name in ("steps.jsonl", "evals.jsonl"):
        path = job.run / name
        rundir.write_jsonl(path, [line for line in rundir.read_jsonl(path) if line["step"] <= done])
    evals = rundir.read_jsonl(job.run / "evals.jsonl")
    job.evals = [Evaluation(**line) for line in evals] if done else []
    if not done:
        (job.run / "evals.jsonl").unlink(missing_ok=True)
    for step, path in rundir.checkpoints(job.run):  # the kill may have come before the pointers
        if step == done:
            point_to(job, path, step)
    return done
