"""The files that a run writes about itself while it goes: the first listener of its events.

What cannot be written here ends the run (`run/recovery.disk_stop`): a run whose record has holes is
not what its seal would say.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from suretune import rundir
from suretune.events import Evaluated, Event, Found, Noted, Resumed, TakenBack, Updated

STEPS, EVALS, EVENTS = "steps.jsonl", "evals.jsonl", "events.jsonl"


@dataclass(frozen=True, slots=True)
class RunRecord:
    """Writes steps.jsonl, evals.jsonl, findings.jsonl and events.jsonl of a run folder."""

    run: Path

    def on(self, event: Event) -> None:
        """Keep what belongs into a file; raises OSError where it cannot be written."""
        match event:
            case Updated():
                rundir.append(self.run / STEPS, event.line())
            case Evaluated(kept=True):
                rundir.append(self.run / EVALS, event.line())
            case Noted():
                rundir.append(self.run / EVENTS, event.line())
            case Found():
                self._found(event)
            case Resumed():
                for name in (STEPS, EVALS):
                    _take_back(self.run / name, event.step)
            case TakenBack():
                for name in (STEPS, EVALS):
                    if (self.run / name).exists():
                        _take_back(self.run / name, event.step)

    def _found(self, event: Found) -> None:
        if (self.run / rundir.SEAL).is_file():
            return  # what was sealed stays as it was
        try:
            rundir.append(self.run / "findings.jsonl", event.line())
        except OSError:
            if event.finding.name != "disk-full":  # this one is told although it cannot be kept
                raise


def _take_back(path: Path, step: int) -> None:
    """Keep what a log says about updates up to `step`."""
    rundir.write_jsonl(path, said_up_to(path, step))


def said_up_to(path: Path, step: int) -> list[dict[str, Any]]:
    """What a log says about updates up to `step`; nothing where there is none."""
    kept = []
    for line in path.read_bytes().splitlines() if path.exists() else ():
        try:
            said = orjson.loads(line)
            if said["step"] <= step:
                kept.append(said)
        except (ValueError, KeyError, TypeError):
            continue  # a line that is damaged is a line that is missing
    return kept
