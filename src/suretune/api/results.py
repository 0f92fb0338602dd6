"""What the calls give back: frozen, of plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from suretune import rundir
from suretune.facts import Finding
from suretune.reported import Report


@dataclass(frozen=True, slots=True)
class Plan:
    """A run that can begin, as `check` found it: `train` with the same arguments makes it."""

    rows: int  # that are learned
    held_out: int  # that are only measured
    updates: int  # optimizer steps, at most
    tokens: int  # over all updates
    learned: int  # of these: tokens with a loss
    system: str | None  # the system prompt of all rows, if they share one
    findings: tuple[Finding, ...]  # what was noted and does not stop it
    data: Mapping[str, Any]  # rows by dataset and what became of them
    settings: Mapping[str, Any]  # every option that is not at its default, chosen ones among them
    command: str  # the same run on the command line


@dataclass(frozen=True, slots=True)
class Run:
    """A run that has a verdict, and its folder."""

    path: Path
    verdict: str  # sealed | not-verified | forgetting-not-measured | stopped
    findings: tuple[Finding, ...]
    report: Report  # report.json

    @property
    def sealed(self) -> bool:
        """Whether every proof held."""
        return self.verdict == "sealed"

    @property
    def adapter(self) -> Path:
        """The folder that PEFT and vLLM load; a run that was stopped has none."""
        return rundir.published(self.path)

    @property
    def steps(self) -> tuple[Mapping[str, Any], ...]:
        """The updates that were applied, in order: loss, gradient norm, learning rate, tokens."""
        return tuple(rundir.read_jsonl(self.path / "steps.jsonl"))


@dataclass(frozen=True, slots=True)
class Verified:
    """A seal, held against the files and proved once more in a fresh process."""

    ok: bool
    files: int  # as sealed, all of them: a file that differs is Refused
    probes: int  # asked again
    same_answers: bool  # word for word
    same_base: bool
    logits_gap: float | None  # largest difference of a logit; None where it is not finite
    findings: tuple[Finding, ...]
