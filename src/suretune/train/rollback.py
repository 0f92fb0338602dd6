"""What a run remembers to get over a bad update: the last good state, and what was decided.

It is part of the exact state: a checkpoint holds all of it, so a run that is killed and resumed
leaves out the same rows, cuts the same rate and goes back to the same state as one never stopped.
Nothing here knows of the run folder; `run/recovery.py` tells what was done.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor

from suretune.data.choose import CUTS
from suretune.train.door import Adapters
from suretune.train.spikes import NORM_FACTOR, SpikeDetector, detector_of
from suretune.types import StepRecord

# A copy on the device of what an update changes costs 0.2 ms for 20 million adapter values. Some
# sixteen updates of work are what going back loses; a bad rate needs a few to be left behind.
EVERY = 16
IN_A_ROW = 3  # updates out of line that are a divergence
ATTEMPTS = 3  # times that a run is taken back
WORSE = 1.25  # times the loss that a good state gives the same rows: less is no sign of a bad state


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state after an update: all that an update changes, and what was usual then."""

    step: int
    scale: float
    typical: SpikeDetector
    tensors: dict[str, Tensor]  # of the adapters
    generators: dict[str, Tensor]

    def line(self) -> dict[str, Any]:
        """As JSON, without the tensors."""
        return {"step": self.step, "scale": self.scale, "usual": asdict(self.typical)}


@dataclass(slots=True)
class Recovery:
    """The small state machine: judge a proposed update, note an applied one, go back."""

    left_out: frozenset[int] = frozenset()  # samples
    rate_scale: float = 1.0
    attempts: int = 0
    streak: int = 0  # updates in a row that were out of line, and applied
    typical: SpikeDetector = field(default_factory=SpikeDetector)
    excused: int = 0  # the update whose rows, not the state, are out of line
    # What happened, for whoever resumes.
    history: list[dict[str, Any]] = field(default_factory=list)
    snapshot: Snapshot | None = None

    def judge(self, record: StepRecord) -> str:
        """`fine`, `non-finite`, `doubted` (apply it, and count it), `spike` (and say so), or
        `diverged`."""
        if not record.samples:
            return "fine"  # every row of it was left out
        if not (math.isfinite(record.loss) and math.isfinite(record.grad_norm)):
            return "non-finite"
        measured = record.loss, record.grad_norm, len(record.samples)
        broken = self.typical.is_broken_by(*measured)
        if not broken and not self.typical.is_doubted(*measured):
            return "fine"
        if self.streak + 1 >= IN_A_ROW:
            return "diverged"
        told = broken and self.typical.is_worth_telling(record.loss)
        return "spike" if told else "doubted"

    def accept_if_rows_are_hard(
        self,
        record: StepRecord,
        loss: float,
        norm: float,
    ) -> bool:
        """Whether a good state that gives the same rows this loss and norm makes them usual."""
        within = record.loss <= WORSE * loss and record.grad_norm <= NORM_FACTOR * norm
        self.excused = record.step if within else 0
        return within

    def applied(self, record: StepRecord) -> None:
        """Take an update that was applied into what is usual, or count it as out of line."""
        if not record.samples:
            return
        if record.step != self.excused and self.judge(record) != "fine":
            self.streak += 1
            return
        self.streak = 0
        self.typical = self.typical.and_then(
            record.loss,
            record.grad_norm,
            len(record.samples),
        )

    def is_due(self, record: StepRecord) -> bool:
        """Whether the state that this proposed update was computed from is to be kept.

        Only if it gave an update that is in line: the step that ruins a state is applied before
        anything shows it. And never amid a streak, so that it lies before the first of one.
        """
        if self.snapshot is None or self.streak or self.judge(record) != "fine":
            return False
        return record.step - 1 - self.snapshot.step >= EVERY

    def keep(
        self,
        step: int,
        adapters: Adapters,
        scale: float,
        device: torch.device,
    ) -> None:
        """Copy the state into the tensors of the snapshot before."""
        tensors = self.snapshot.tensors if self.snapshot else {}
        adapters.copy(tensors)
        self.snapshot = Snapshot(
            step,
            scale,
            self.typical,
            tensors,
            generator_state(device),
        )

    def good_state(self) -> Snapshot:
        """The newest that was kept; `train` keeps one before the first update. ValueError: none."""
        if self.snapshot is None:
            raise ValueError("nothing was kept to go back to")
        return self.snapshot

    def go_back(
        self,
        adapters: Adapters,
        device: torch.device,
    ) -> Snapshot:
        """Put the snapshot's state in place, and cut the learning rate from there on."""
        snapshot = self.good_state()
        adapters.put_back(snapshot.tensors)
        set_generators(snapshot.generators, device)
        self.typical, self.streak = snapshot.typical, 0
        self.attempts += 1
        self.rate_scale *= CUTS[self.attempts - 1]
        return snapshot

    def line(self) -> dict[str, Any]:
        """As JSON, for a checkpoint's manifest."""
        return {
            "left_out": sorted(self.left_out),
            "rate_scale": self.rate_scale,
            "attempts": self.attempts,
            "streak": self.streak,
            "usual": asdict(self.typical),
            "tale": self.history,
            "snapshot": self.snapshot.line() if self.snapshot else None,
        }

    def restore(
        self,
        line: Mapping[str, Any],
        snapshot: Snapshot | None,
    ) -> None:
        """What `line` gave, and the snapshot that lay beside it."""
        self.left_out = frozenset(line["left_out"])
        self.rate_scale, self.attempts = line["rate_scale"], line["attempts"]
        self.streak, self.typical = line["streak"], detector_of(line["usual"])
        self.history = list(line["tale"])
        self.snapshot = snapshot


def generator_state(device: torch.device) -> dict[str, Tensor]:
    """The random generators that dropout draws from, uint8 on the CPU: `cpu`, and `cuda` on one."""
    state = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    return state


def set_generators(state: Mapping[str, Tensor], device: torch.device) -> None:
    """Put in place what `generator_state` gave."""
    torch.set_rng_state(state["cpu"])
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"], device)
