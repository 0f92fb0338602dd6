"""One training under way: what fit, recovery, resume and proof know of it, and change."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from suretune.data.choose import looks
from suretune.preflight.check import Checked
from suretune.record.journal import Journal
from suretune.run.evaluate import Cooling, Judge, cooling
from suretune.train.loop import Learner
from suretune.types import Evaluation, Sample, Text


@dataclass(slots=True)
class Fit:
    """One training under way."""

    checked: Checked
    run: Path
    journal: Journal
    learner: Learner
    dress: Callable[[Path, int], None]
    held_out: Sequence[Sample]
    fingerprint: str
    judge: Judge
    dose: tuple[float, float]  # its margin, and at most how much of it; see `choose.DOSE`
    settles: int = 0  # updates before which it is not proven
    evals: list[Evaluation] = field(default_factory=list)
    rate: float | None = None  # FLOP/s of the device's matrix products, measured
    signals: list[int] = field(default_factory=list)
    stopped_early: Text | None = None
    resumed: int | None = None  # updates that were made before this process
    deadline: float = math.inf  # of time.perf_counter: when training must be over

    @property
    def samples(self) -> Sequence[Sample]:
        """What updates are made of: the rows, then every use of an anchor."""
        return self.checked.samples

    @property
    def cooling(self) -> Cooling | None:
        """Under way by what was asked so far, so a resumed run knows it, too."""
        return cooling(self.evals, self.asked_after, self.settles)

    @property
    def asked_after(self) -> tuple[int, ...]:
        """The updates after which probes may be asked. Patience counts every time."""
        steps, asked = self.checked.plan.probe_steps, self.checked.resolved.config.schedule
        return steps if asked.early_stopping_patience else looks(steps, self.settles)

    def share(self, step: int) -> float:
        """Of the schedule's rate, at update `step`."""
        found = self.cooling
        return found.share(step) if found and found.begun < step <= found.end else 1.0
