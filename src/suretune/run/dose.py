"""The dose: which share of the trained strength is published. The smallest that does the work.

What training stops at passes with more strength than it takes, and all of it costs the base
something. So the finished adapter is asked again at lower doses, on the way's questions alone: the
proof's must not choose what it judges. Checkpoints keep full strength; lora_B of what is published
(of DoRA, its magnitudes as well) carries the dose, so that alpha stays as it was and every engine
loads it. Of a base whose own weights learned, it is the share of their difference to what they
were.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from suretune import rundir
from suretune.events import Evaluated
from suretune.model.tuned import trained_digest
from suretune.preflight.check import Checked
from suretune.run.evaluate import able
from suretune.run.resume import evaluation_of
from suretune.run.state import Fit
from suretune.train.door import Engine
from suretune.train.loop import Learner, wearing
from suretune.types import Evaluation, Text

GRID = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
STEP = 0.1  # of the grid
MORE = 2  # doses from there on that may be published
USUAL = 4  # looks that a search takes where lower doses pass less
Look = Callable[[Engine, int, float | None], Evaluation]
FILE = "dose.json"  # of a run: so that going on with it publishes the same


@dataclass(frozen=True, slots=True)
class Dose:
    """A share of the trained strength, and what was asked at which, full strength first.

    General questions are asked of what may be published alone; at other doses `proven` is what the
    probes say. `given`: it was asked for, not searched.
    """

    value: float = 1.0
    tried: tuple[Evaluation, ...] = ()
    given: bool = False

    @property
    def found(self) -> Evaluation | None:
        """What was measured at it."""
        return next((one for one in self.tried if one.dose == self.value), None)

    def line(self) -> dict[str, Any]:
        """As JSON, for the report."""
        return asdict(self)


def smallest(
    passes: Callable[[float], bool],
    holds: Callable[[float], bool],
    margin: float,
    most: float,
) -> float:
    """The least dose of the grid that passes, by bisection, and a margin more, but no more than
    `most`, if that holds.

    `passes` is cheap, `holds` asks everything; of full strength both are known. Where that does not
    hold, which noise can bring about, the next may; else all is published. So there are five looks
    at most, four as a rule.
    """
    low, high = 0, len(GRID) - 1
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if passes(GRID[middle]) else (middle + 1, high)
    first = min(GRID[high] + margin, most)
    may = [round(first + STEP * more, 2) for more in range(MORE)]
    return next((dose for dose in may if dose < 1 and holds(dose)), 1.0)


def looks_ahead(checked: Checked, *, measured: bool = True) -> int:
    """How many times a run will usually be asked after its training. `measured`: rows are held out,
    without which rows that teach more than an identity are not scaled."""
    given = checked.resolved.config.lora.adapter_dose
    if not checked.plan.probe_steps or given == 1:
        return 0
    if given is not None:
        return 1
    return USUAL if checked.about_identity or measured else 0


def choose_dose(job: Fit, kept: Path, begins: Callable[[], None]) -> Dose:
    """The dose of this checkpoint, which the learner holds at full strength, before and after.

    `begins` is called before anything is asked. What was chosen once stays chosen.
    """
    path, weights = job.run / FILE, trained_digest(kept)
    if (known := _known(path, weights)) is not None:
        return known
    dose = _asked_for(job, kept, begins)
    if dose == Dose():
        path.unlink(missing_ok=True)  # of other weights
    else:
        rundir.write_json(path, {"weights": weights, **dose.line()})
    return dose


def _asked_for(job: Fit, kept: Path, begins: Callable[[], None]) -> Dose:
    step = int(kept.name.rpartition("-")[2])
    full = next((one for one in reversed(job.evals) if one.step == step), None)
    given = job.checked.resolved.config.lora.adapter_dose
    if given is not None:
        if given == 1 or not job.checked.plan.probe_steps:
            return Dose(given, given=given != 1)
        begins()
        found = _look(job, step, given, job.judge.look, None)
        job.journal.on(Evaluated(found, kept=False))
        return Dose(given, (full, found) if full and full.asked else (found,), given=True)
    taught_more = not job.checked.about_identity  # than what the probes ask for
    if full is None or not able(full) or (taught_more and not job.held_out):
        return Dose()
    begins()
    most = job.learner.engine.mean_loss(job.held_out) if taught_more else None
    tried = {full.dose: full}

    def by(judge: Look) -> Callable[[float], bool]:
        def good(dose: float) -> bool:
            tried[dose] = _look(job, step, dose, judge, most)
            job.journal.on(Evaluated(tried[dose], kept=False))
            return tried[dose].proven

        return good

    value = smallest(by(job.judge.look_at_probes), by(job.judge.look), *job.dose)
    return Dose(value, tuple(tried.values()))


def _look(job: Fit, step: int, dose: float, judge: Look, most: float | None) -> Evaluation:
    """What is asked on the way, of the learner at this dose; it has its full strength afterwards.

    `most`: the held-out loss, in nats a token, above which nothing is asked: then the rows teach
    more than what the probes ask for, and it is being lost.
    """
    learner = job.learner
    with wearing(learner, learner.adapters.dosed(dose)):
        loss = None if most is None else learner.engine.mean_loss(job.held_out)
        if loss is not None and most is not None and loss > most:
            return Evaluation(step, loss, dose=dose)
        return replace(judge(learner.engine, step, loss), dose=dose)


def fold(learner: Learner, dose: float) -> None:
    """From now on what the learner holds is of this dose: what is saved, bit for bit."""
    if dose != 1:
        learner.adapters.wear(learner.adapters.dosed(dose))
        learner.engine.restored()


def _known(path: Path, weights: str) -> Dose | None:
    """What was chosen for these weights before the run was stopped."""
    if not path.is_file() or rundir.recorded(path, "weights") != weights:
        return None
    told: Mapping[str, Any] = rundir.read_json(path)
    try:
        tried = tuple(evaluation_of(line) for line in told["tried"])
        dose = Dose(float(told["value"]), tried, bool(told["given"]))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise rundir.Damaged(path, error) from error
    if not 0 < dose.value <= 1:
        raise rundir.Damaged(
            path,
            Text(f"value = {dose.value!r} is no dose", f"value = {dose.value!r} 不是适配器强度"),
        )
    return dose


def weaker_dose(run: Path) -> float | None:
    """The grid's next below what a run has published, where that is not below the least at which
    its probes were seen to pass, and was not seen to fail; None where no dose was searched."""
    if not (path := run / FILE).is_file():
        return None
    dose = _known(path, rundir.recorded(path, "weights"))
    proven = {one.dose: one.proven for one in dose.tried} if dose else {}
    passed = [share for share, good in proven.items() if good]
    below = max((less for less in GRID if dose and less < dose.value), default=0.0)
    return below if passed and below >= min(passed) and proven.get(below, True) else None
