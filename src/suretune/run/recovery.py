"""Where recovery meets the run folder: refuse, leave out, go back, and tell it.

`train/rollback.py` decides and remembers; here its decisions become findings, events, ledger lines
and a stop where the bounds are reached.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from suretune import rundir, typed
from suretune.because import FULL, in_words, number_of
from suretune.data.plan import without
from suretune.events import TakenBack
from suretune.facts import RecoveryFacts, SetupFacts, StepFacts
from suretune.model.device import out_of_memory, ran_out
from suretune.record.journal import Journal, Stopped
from suretune.run import folder
from suretune.run.crew import ENGINE, smaller_next
from suretune.run.evaluate import point_best
from suretune.run.room import beside, held_by_others
from suretune.run.state import Fit
from suretune.train import loop
from suretune.train.engine_plan import pass_plan_of_engine
from suretune.train.loop import Applied, Proposed
from suretune.train.rollback import ATTEMPTS
from suretune.types import Origin, StepRecord, Text

FOLDER_GONE = Text("the folder is gone", "文件夹已经不在了")
MORE_FILES = Text("; raise the limit: `ulimit -n 4096`", "；请调高上限：`ulimit -n 4096`")
HANDLES = frozenset({errno.EMFILE, errno.ENFILE})
LOST = frozenset({errno.EROFS, errno.EIO, errno.ESTALE, errno.ENOENT, errno.ENOTDIR})


def again_from(job: Fit, record: StepRecord) -> int | None:
    """Judge a proposed update. None: apply it. Else the updates done where training begins again.

    The generator that proposed it is to be closed, so nothing of it is applied.
    """
    recovery = job.learner.recovery
    judged = recovery.judge(record)
    if judged == "fine":
        return None
    if judged == "non-finite":
        return _non_finite(job, record)
    if _are_the_rows(job, record):
        if recovery.typical.is_steady:
            _tell(job, _facts("loss-spike", record, rows=_names(job, record.samples)))
        return None
    if judged == "doubted":
        return None
    if judged == "diverged":
        if recovery.attempts == ATTEMPTS:
            facts = _facts("diverged", record, attempts=recovery.attempts)
            job.journal.event("refused", step=record.step, why="diverged")
            _drop_bad(job, record)
            raise job.journal.stop(facts)
        return _back(job, record)
    _tell(job, _facts("loss-spike", record, rows=_names(job, record.samples)))
    return None


def _are_the_rows(job: Fit, record: StepRecord) -> bool:
    """Whether the last good state finds the same rows as hard, so that training did no harm."""
    recovery = job.learner.recovery
    planned = job.checked.plan.updates[record.step - 1]
    update = without(planned, job.samples, recovery.left_out)
    found = loop.before_it(job.learner, job.samples, update.samples, update.loss_weight)
    return recovery.accept_if_rows_are_hard(record, *found)


def _non_finite(job: Fit, record: StepRecord) -> int:
    """Rows that the base itself cannot compute are left out, if allowed; else the run goes back."""
    learner, recovery = job.learner, job.learner.recovery
    update = job.checked.plan.updates[record.step - 1]
    alone = loop.non_finite_rows(learner, job.samples, replace(update, samples=record.samples))
    poisoned = loop.poisoned_rows(learner, job.samples, alone, update.loss_weight)
    if poisoned:
        left_out = recovery.left_out | _all_of(job, poisoned)
        needed = len({_origin(job, i) for i in left_out})
        if needed > job.checked.resolved.config.schedule.quarantine:
            raise _refused(job, record, poisoned, needed)
        if recovery.snapshot:
            learner.scale.value = recovery.snapshot.scale  # halved in vain: no scale mends a row
        recovery.left_out = left_out
        _tell(job, _facts("row-quarantined", record, rows=_names(job, poisoned)))
        mark(job)
        return record.step - 1
    if recovery.attempts == ATTEMPTS:
        _drop_bad(job, record)
        raise _refused(job, record, alone or record.samples, 0)
    return _back(job, record)


def _refused(job: Fit, record: StepRecord, rows: Any, quarantine: int) -> Stopped:
    names = _names(job, rows)
    job.journal.event("refused", step=record.step, rows=names)
    facts = StepFacts(record.step, record.loss, record.grad_norm, names, quarantine)
    return job.journal.stop(facts)


def _back(job: Fit, record: StepRecord) -> int:
    """Put the last good state in place; on disk too, where nothing later may lie any more."""
    step = loop.go_back(job.learner)
    recovery = job.learner.recovery
    about = {"back_to": step, "rate_scale": recovery.rate_scale, "attempts": recovery.attempts}
    _tell(job, _facts("rolled-back", record, **about))
    forget_after(job, TakenBack(step, recovery.attempts, record.step - 1))
    return step


def forget_after(job: Fit, back: TakenBack) -> None:
    """Take back what the log says about later updates, and their checkpoints: they are made again.

    A kill in the midst of it changes nothing: what is resumed from comes to the same refusal.
    Checkpoints go first: one without its evaluations would not know that its rate was falling.
    """
    job.evals = [found for found in job.evals if found.step <= back.step]
    drop_checkpoints(job, back.step)
    job.journal.on(back)


def _drop_bad(job: Fit, record: StepRecord) -> None:
    """Where a run ends in a divergence: no checkpoint of a state that gave a bad update stays."""
    drop_checkpoints(job, record.step - 2 - job.learner.recovery.streak)


def drop_checkpoints(job: Fit, step: int) -> None:
    """Those after this step; the pointers to what is left."""
    for done, path in reversed(rundir.checkpoints(job.run)):
        if done > step:
            rundir.discard(path)
    left = dict(rundir.checkpoints(job.run))
    if left:
        rundir.point(job.run, "last", left[max(left)], step=max(left))
    else:
        (job.run / "last").unlink(missing_ok=True)
    point_best(job.run, job.evals)


# --- told -----------------------------------------------------------------------------------------


def _facts(problem: str, record: StepRecord, **about: Any) -> RecoveryFacts:
    return RecoveryFacts(problem, record.step, record.loss, record.grad_norm, **about)


def _tell(job: Fit, facts: RecoveryFacts) -> None:
    """An event now, a finding, and a line of the history that checkpoints carry."""
    line = {name: value for name, value in asdict(facts).items() if name != "problem"}
    job.journal.event(facts.problem, **line)
    job.journal.look(facts, stops=False)
    job.learner.recovery.history.append(asdict(facts))


def retell(job: Fit) -> None:
    """After a resume: what happened before the checkpoint belongs to this run's findings too."""
    for line in job.learner.recovery.history:
        job.journal.look(facts_of(line), stops=False)
    mark(job)


def facts_of(line: Mapping[str, Any]) -> RecoveryFacts:
    """From JSON, in which a number that is none is null."""
    numbers = {k: float("nan") if line[k] is None else line[k] for k in ("loss", "grad_norm")}
    return RecoveryFacts(**{**line, **numbers, "rows": tuple(line["rows"])})


def mark(job: Fit) -> None:
    """Let the ledger say which rows were left out."""
    gone = {_origin(job, i) for i in job.learner.recovery.left_out}
    entries = [
        replace(entry, state="quarantined", reason="not finite in the base")
        if entry.state in ("train", "paraphrase") and (entry.dataset, entry.origin) in gone
        else entry
        for entry in job.checked.entries
    ]
    job.checked = replace(job.checked, entries=entries)
    rundir.write_jsonl(job.run / "ledger.jsonl", folder.ledger_lines(entries))


def _origin(job: Fit, index: int) -> tuple[str, Origin]:
    return job.samples[index].dataset, job.samples[index].origin


def _all_of(job: Fit, rows: list[int]) -> frozenset[int]:
    """Every sample of these samples' rows: its other turns, and its copies."""
    gone = {_origin(job, i) for i in rows}
    return frozenset(i for i in range(len(job.samples)) if _origin(job, i) in gone)


def _names(job: Fit, rows: Any) -> tuple[str, ...]:
    return tuple(dict.fromkeys(str(job.samples[i].origin) for i in rows))


# --- memory and disk ------------------------------------------------------------------------------


def within_memory(job: Fit, events: Iterator[Proposed | Applied]) -> Iterator[Proposed | Applied]:
    """The events; where memory ran out and smaller passes helped, said; where not, a stop."""
    try:
        for event in events:
            for how in job.learner.notes:
                _tell(job, RecoveryFacts("smaller-passes", event.record.step, how=how))
            if job.learner.notes:
                rundir.write_json(job.run / ENGINE, pass_plan_of_engine(job.learner.engine).line())
            job.learner.notes.clear()
            yield event
    except RuntimeError as error:
        if not ran_out(error):
            raise
        spare = smaller_next(job.checked, job.run)
        raise memory_stop(error, job.run, job.journal, spare) from error


def memory_stop(
    error: BaseException,
    run: Path,
    journal: Journal,
    spare: str = "",
) -> Stopped:
    """The device's memory does not suffice, whatever was tried. `spare`: see `smaller_next`."""
    found = in_words(out_of_memory(error))
    facts = SetupFacts("out-of-memory", str(run), found=found, spare=spare)
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        others, total = held_by_others(torch.device("cuda", torch.cuda.current_device()))
        facts = beside(facts, others, total) if others > total / 2 else facts
    return journal.stop(facts)


def disk_stop(error: Exception, run: Path, journal: Journal) -> Stopped | None:
    """The stop for an output that is full, read-only or gone; None if the disk is not to blame.

    What cannot be written any more is still told to whoever waits.
    """
    number = number_of(error)
    gone = not (run / "config.yaml").is_file()
    if not gone and number and number not in FULL | HANDLES | (LOST - {errno.ENOENT}):
        return None
    if not _can_write(run):
        journal.run = None
    lost = gone or number in LOST | HANDLES
    found = FOLDER_GONE if gone else in_words(error)
    if number in HANDLES:
        found = Text(found.en + MORE_FILES.en, found.zh + MORE_FILES.zh)
    problem = "output-not-writable" if lost else "disk-full"
    begun = (run / "run.json").is_file()
    goes_on = f"suretune resume {typed.path(run)}" if begun else ""
    return journal.stop(SetupFacts(problem, str(run), found, goes_on))


def _can_write(run: Path) -> bool:
    probe = run / ".probe"
    try:
        rundir.write(probe, b" " * 4096)
        probe.unlink()
    except OSError:
        return False
    return True
