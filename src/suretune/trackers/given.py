"""What a tracker has of a run, destination by destination: `RUN/trackers/NAME.json`.

A run may be told to one tracker twice: to two folders, two projects, to files here and later to a
server. Each of them is told everything, once.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from suretune import rundir, typed

Spans = list[list[int]]  # [first, last] of steps that were told, in order, apart from each other


def holds(spans: Spans, step: int) -> bool:
    """Whether this step was told."""
    return any(first <= step <= last for first, last in spans)


def add(spans: Spans, step: int) -> None:
    """From now on it was. Steps may come out of order, where a hole is filled afterwards."""
    spans.append([step, step])
    spans.sort()
    merged: Spans = []
    for first, last in spans:
        if merged and first <= merged[-1][1] + 1:
            merged[-1][1] = max(last, merged[-1][1])
        else:
            merged.append([first, last])
    spans[:] = merged


def forget_after(spans: Spans, step: int) -> None:
    """Later ones were not."""
    spans[:] = [[first, min(last, step)] for first, last in spans if first <= step]


@dataclass(slots=True)
class Told:
    """One destination: an entry of the file."""

    id: str = ""
    where: str = ""
    folders: list[str] = field(default_factory=list)  # of processes that wrote offline
    again: int = 0  # how often the run went back
    reached: dict[str, int] = field(default_factory=dict)  # and from where, at most
    backs: list[int] = field(default_factory=list)  # which times of the run's own count
    steps: dict[str, Spans] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    count: int = 0  # of messages with figures


class Given:
    """What one destination has. `place`: which it is; `chosen`: the id that the environment names;
    `answers`: whether what was flushed outlives the tracker's process, whatever ends it."""

    def __init__(
        self,
        path: Path,
        place: str,
        chosen: str,
        answers: bool,
    ) -> None:
        known = rundir.read_json(path) if path.is_file() else {}
        # An earlier version kept one entry, and of each group the last step.
        every = known.get("destinations") or {place: known}
        mine = every.get(place, {})
        if chosen and mine.get("id") not in (None, "", chosen):
            place = f"{place} {chosen}"  # another run of the same place
            mine = every.get(place, {})
        for group, told in mine.get("steps", {}).items():
            mine["steps"][group] = told if isinstance(told, list) else [[0, told]]
        self.told = Told(**mine)
        self.written = time.monotonic()
        self._path, self._place, self._answers = path, place, answers
        self._every = every
        self._safe = deepcopy(self.told)

    def keep(self, *, closed: bool = False) -> None:
        """Write it down. What a package only holds in its process, or has on its way over a
        network, counts as told once the run there was closed: a killed one is told it again."""
        if closed or self._answers:
            self._safe = deepcopy(self.told)
        safe = self._safe
        kept = replace(
            self.told,
            steps=safe.steps,
            texts=safe.texts,
            count=safe.count,
        )
        self._every[self._place] = asdict(kept)
        about = {"last": self._place, "destinations": self._every}
        rundir.write_json(self._path, about)
        self.written = time.monotonic()

    def is_new(self, message: Mapping[str, Any]) -> bool:
        """Whether the tracker has not been told this."""
        if message["kind"] == "text":
            before = self.told.texts.get(message["name"])
            return before is None or before != message["text"]
        spans = self.told.steps.get(message["group"], [])
        return not holds(spans, message["step"])

    def mark(self, message: Mapping[str, Any]) -> None:
        """It has taken this."""
        if message["kind"] == "text":
            self.told.texts[message["name"]] = message["text"]
            return
        spans = self.told.steps.setdefault(message["group"], [])
        add(spans, message["step"])
        self.told.count += 1

    def forget(self) -> None:
        """Nothing of it is there any more."""
        self.told = Told(self.told.id)
        self._safe = Told(self.told.id)

    def back(self, step: int, attempt: int) -> int:
        """Updates after `step` are made again, and otherwise; the last of those that were told, or
        `step` where none was. It is written down at once: a figure must not be lost for it."""
        told, was_told = self.told, step
        for group, spans in told.steps.items():
            last = spans[-1][1] if spans else 0
            if last > step:
                told.reached[group] = max(last, told.reached.get(group, last))
                was_told = max(last, was_told) if group == "update" else was_told
        gone = any(spans and spans[-1][1] > step for spans in told.steps.values())
        for kept in (told, self._safe):
            for spans in kept.steps.values():
                forget_after(spans, step)
        told.again += gone
        if attempt and attempt not in told.backs:
            told.backs.append(attempt)
        self.keep()
        return was_told

    def named(self, message: Mapping[str, Any]) -> dict[str, float]:
        """The figures of a message, by names that were not used of this step before."""
        values = dict(message["values"])
        if message["step"] > self.told.reached.get(message["group"], -1):
            return values
        again = f"again-{self.told.again}"
        return {f"{again}/{name}": value for name, value in values.items()}

    def sent_by(self, command: tuple[str, ...], folder: str) -> str:
        """The command that sends everything that was written offline, this process's part last."""
        before = self.told.folders
        there = [one for one in before if one != folder and Path(one).is_dir()]
        self.told.folders = [*there, folder]
        return typed.command(*command, *self.told.folders)
