"""`sweep`: Optuna proposes settings, `suretune sft` tries each in its own process.

Optuna's study keeps what was proposed and how it came out (SQLite); what a trial did lies in its
run folder. The same command goes on with a killed sweep: finished trials stay, begun runs are
resumed.
"""

from __future__ import annotations

import os
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from suretune import rundir, typed
from suretune.because import in_words
from suretune.config import Resolved
from suretune.facts import SetupFacts
from suretune.installed import is_installed
from suretune.preflight.leave import FITTED
from suretune.record.journal import DATA, ENVIRONMENT, NETWORK, Journal, Stopped
from suretune.record.lock import only_writer
from suretune.sweep.search import Dimension, flags, grid, grid_size, setting
from suretune.sweep.trials import (
    FAILED,
    SEALED,
    STOPPED,
    Job,
    Outcome,
    finished,
    outcome,
    start,
    wait_for_writer,
)

if TYPE_CHECKING:
    import optuna

STUDY = "suretune"
PAUSE = 0.1  # seconds between looks at the processes
Told = Callable[[Mapping[str, Any], int, int], None]  # a trial's line, how many are done, of


@dataclass(frozen=True, slots=True)
class Asked:
    """A sweep as it was asked for."""

    resolved: Resolved
    dimensions: Sequence[Dimension]
    trials: int
    seeds: Sequence[int]  # none: the seed of the flags
    study: Path | None
    parallel: int | None
    gpus: int | None = None  # None: all that there are; on a CPU so many runs at once


@dataclass(slots=True)
class Trial:
    """A setting and its runs, one a seed."""

    number: int
    chosen: Mapping[str, str]
    waiting: deque[int | None]
    handle: optuna.Trial | None = None
    outcomes: list[Outcome] = field(default_factory=list)
    same_as: int | None = None

    @property
    def state(self) -> str:
        """The worst of its runs."""
        states = {one.state for one in self.outcomes}
        return next((s for s in (FAILED, STOPPED) if s in states), "judged")

    @property
    def score(self) -> float | None:
        """The mean of its seeds' scores; None before all are judged."""
        return fmean(one.score for one in self.outcomes) if self.state == "judged" else None

    def line(self) -> dict[str, Any]:
        """A trial as JSON."""
        return {
            "trial": self.number,
            "setting": dict(self.chosen),
            "state": self.state,
            "sealed": sum(one.state == SEALED for one in self.outcomes),
            "runs": [one.line() for one in self.outcomes],
            "score": None if self.score is None else round(self.score, 4),
            "same_as": self.same_as,
        }


def sweep(
    asked: Asked,
    journal: Journal,
    told: Told,
) -> dict[str, Any]:
    """All trials, those of earlier calls included, and the best of them as a command."""
    if not is_installed("optuna"):
        facts = SetupFacts(
            "package-missing",
            "suretune[sweep]",
            found="optuna",
        )
        raise journal.stop(facts)
    digest = rundir.digest_of([_question(asked), _plan_of(asked.resolved, journal)])
    folder = Path(asked.resolved.config.run.output_dir).expanduser().absolute()
    folder = folder / f"sweep-{digest[:8]}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        facts = SetupFacts(
            "output-not-writable",
            str(folder),
            found=in_words(error),
            spare="--output_dir",
        )
        raise journal.stop(facts) from error
    with _alone(folder, journal):
        study = _open(asked, folder, digest, journal)
        trials = _Loop(asked, folder, study, told).all()
    return _result(asked, folder, trials)


def _question(asked: Asked) -> list[Any]:
    return [flags(asked.resolved, {}, ("output_dir",)), asked.dimensions, list(asked.seeds)]


def _plan_of(resolved: Resolved, journal: Journal) -> str:
    """The rows as a plan without the search, and the adapters that were chosen for it, as a digest:
    another version may choose others. What is wrong with data or model stops at once.

    What is wrong with the schedule alone may be right in a trial.
    """
    from suretune.preflight.check import check

    try:
        looking = Journal(resolved.config.run.ignore)  # what is noted is each trial's to tell
        looking.again, looking.environment = journal.again, journal.environment
        checked = check(resolved, looking)
        lora = asdict(checked.resolved.config.lora)
        return rundir.digest_of(
            [checked.plan.digest, lora],
        )
    except Stopped as stopped:
        if stopped.status in (DATA, ENVIRONMENT, NETWORK):
            journal.findings += stopped.findings
            raise
        return ""


@contextmanager
def _alone(folder: Path, journal: Journal) -> Iterator[None]:
    """One sweep a folder; SIGTERM ends it as Ctrl-C does."""
    with only_writer(folder / "sweep.lock", journal):
        before = signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, before)


def _open(
    asked: Asked,
    folder: Path,
    digest: str,
    journal: Journal,
) -> optuna.Study:
    """The study, begun or gone on with; another sweep's study is refused."""
    import optuna
    from sqlalchemy.exc import SQLAlchemyError

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    path = typed.place(asked.study or folder / "sweep.db").absolute()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        study = optuna.create_study(
            storage=f"sqlite:///{path}",
            study_name=STUDY,
            direction="maximize",
            load_if_exists=True,
        )
    except (OSError, SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
        about = SetupFacts(
            "output-not-writable",
            str(path),
            found=in_words(error),
            spare="--study" if asked.study else "--output_dir",
        )
        raise journal.stop(about) from error
    if study.user_attrs.get("asked", digest) != digest:
        facts = SetupFacts(
            "changed-since",
            "flags, rows, --search",
            found=str(path),
            spare="study",
        )
        raise journal.stop(facts)
    study.set_user_attr("asked", digest)
    # A sampler begun again with the same seed would propose the same settings again.
    study.sampler = optuna.samplers.TPESampler(seed=len(study.trials))
    if grid_size(asked.dimensions) <= asked.trials:
        for point in grid(asked.dimensions):
            study.enqueue_trial(point, skip_if_exists=not _only_failed(study, point))
    return study


def _only_failed(study: optuna.Study, point: Mapping[str, Any]) -> bool:
    """Whether a setting was tried and its process never ended well: then it is tried again."""
    states = [one.state.name for one in study.trials if one.params == point]
    return bool(states) and set(states) == {"FAIL"}


class _Loop:
    """Trials under way, as many runs at once as there are slots."""

    def __init__(
        self,
        asked: Asked,
        folder: Path,
        study: optuna.Study,
        told: Told,
    ) -> None:
        self.asked, self.folder, self.study, self.told = asked, folder, study, told
        self.gpus = _gpus(asked.resolved)[: asked.gpus]
        self.workers = asked.parallel or asked.gpus or max(1, len(self.gpus))
        self.slots = list(range(self.workers))
        self.wanted = int(min(asked.trials, grid_size(asked.dimensions)))
        self.done: list[Trial] = []
        self.open: list[Trial] = []
        self.jobs: list[Job] = []

    def all(self) -> list[Trial]:
        """Every trial, in order; on the way out nothing is left running."""
        self._look_back()
        try:
            while self._fill():
                self._collect()
                time.sleep(PAUSE)
        finally:
            for job in self.jobs:
                job.process.terminate()  # it saves a checkpoint first
            for job in self.jobs:
                job.process.wait()
        return sorted(self.done, key=lambda trial: trial.number)

    def _look_back(self) -> None:
        """What earlier calls did; a trial that was running is run on."""
        import optuna

        for kept in self.study.trials:
            if kept.state.name not in ("COMPLETE", "PRUNED", "RUNNING"):
                continue
            trial = self._trial(kept.number, kept.params)
            trial.same_as = kept.user_attrs.get("same_as")
            if kept.state.name == "RUNNING":
                trial.handle = optuna.Trial(self.study, kept._trial_id)
                for seed in trial.waiting:
                    wait_for_writer(self._folder(trial, seed))
                self.open.append(trial)
                continue
            number = trial.number if trial.same_as is None else trial.same_as
            for seed in trial.waiting:
                trial.outcomes.append(outcome(self._folder(self._trial(number, {}), seed)))
            trial.waiting.clear()
            self.done.append(trial)

    def _trial(self, number: int, params: Mapping[str, Any]) -> Trial:
        seeds: Sequence[int | None] = self.asked.seeds or (None,)
        return Trial(
            number,
            setting(self.asked.dimensions, params),
            deque(seeds),
        )

    def _folder(self, trial: Trial, seed: int | None) -> Path:
        name = f"trial-{trial.number:04d}" + (f"-seed-{seed}" if seed is not None else "")
        return self.folder / name

    def _fill(self) -> bool:
        """Start what there is room for; False when all is done."""
        while self.slots:
            trial = next((one for one in self.open if one.waiting), None)
            if trial is None:
                if len(self.done) + len(self.open) >= self.wanted:
                    break
                self._ask()
                continue
            seed = trial.waiting.popleft()
            run = self._folder(trial, seed)
            if finished(run):
                self._finish(trial, outcome(run))
                continue
            chosen = {**trial.chosen, **({} if seed is None else {"seed": str(seed)})}
            words = flags(
                self.asked.resolved,
                chosen,
                ("output_dir", "dry_run", "strict"),
            )
            # A setting that cannot be is not another one in its place.
            if set(chosen) & set(FITTED) or self.asked.resolved.given("strict"):
                words.append("--strict")
            slot = self.slots.pop(0)
            self.jobs.append(start(trial.number, run, slot, words, self._environment(slot)))
        return bool(self.jobs or self.open)

    def _ask(self) -> None:
        """A new trial; one that was tried before is not run again."""
        proposed = self.study.ask()
        for dimension in self.asked.dimensions:
            dimension.draw(proposed)
        trial = self._trial(proposed.number, proposed.params)
        trial.handle = proposed
        same = next((t for t in self.done if t.chosen == trial.chosen and t.state != FAILED), None)
        self.open.append(trial)
        if same:
            trial.same_as = same.number if same.same_as is None else same.same_as
            proposed.set_user_attr("same_as", trial.same_as)
            trial.waiting.clear()
            for one in same.outcomes:
                self._finish(trial, one)

    def _environment(self, slot: int) -> dict[str, str]:
        """One GPU a process where there are several; one share of the cores on a CPU."""
        if len(self.gpus) > 1 or (self.gpus and self.asked.gpus):
            return {"CUDA_VISIBLE_DEVICES": self.gpus[slot % len(self.gpus)]}
        if self.gpus or "OMP_NUM_THREADS" in os.environ:
            return {}
        return {"OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // self.workers))}

    def _collect(self) -> None:
        for job in list(self.jobs):
            status = job.process.poll()
            if status is None:
                continue
            self.jobs.remove(job)
            self.slots.append(job.slot)
            trial = next(one for one in self.open if one.number == job.trial)
            self._finish(trial, outcome(job.run, status))

    def _finish(self, trial: Trial, found: Outcome) -> None:
        """One run more is done; with the last of them the study is told."""
        trial.outcomes.append(found)
        if not found.judged:
            trial.waiting.clear()  # its other seeds cannot make it a setting to use
        seeds = len(self.asked.seeds) or 1
        if trial.waiting or (len(trial.outcomes) < seeds and found.judged):
            return
        if any(job.trial == trial.number for job in self.jobs):
            return
        self.open.remove(trial)
        self.done.append(trial)
        _tell(self.study, trial)
        self.told(trial.line(), len(self.done), self.wanted)


def _tell(study: optuna.Study, trial: Trial) -> None:
    """To Optuna a run that a guard stopped is a pruned trial, with the guard's code as reason."""
    from optuna.trial import TrialState

    if trial.score is not None:
        study.tell(trial.number, trial.score)
        return
    reasons = [reason for one in trial.outcomes for reason in one.reasons]
    if trial.handle:
        trial.handle.set_user_attr("reasons", reasons)
    study.tell(trial.number, state=TrialState.PRUNED if trial.state == STOPPED else TrialState.FAIL)


def _gpus(resolved: Resolved) -> list[str]:
    """The GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them."""
    if resolved.config.model.device == "cpu":
        return []
    import torch

    count = torch.cuda.device_count()
    named = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    return named if len(named) == count else [str(index) for index in range(count)]


def _result(
    asked: Asked,
    folder: Path,
    trials: Sequence[Trial],
) -> dict[str, Any]:
    """What the table shows; the best has a seal from every seed if any has."""
    judged = [trial for trial in trials if trial.score is not None]
    best = max(
        judged,
        key=lambda trial: trial.score or 0.0,
        default=None,
    )
    words = flags(asked.resolved, best.chosen, ("output_dir", "dry_run")) if best else []
    return {
        "folder": str(folder),
        "study": str(typed.place(asked.study or folder / "sweep.db").absolute()),
        "seeds": list(asked.seeds),
        "trials": [trial.line() for trial in trials],
        "best": best.line() if best else None,
        "command": ["suretune", "sft", *words] if best else None,
    }
