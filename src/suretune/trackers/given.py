"""What a tracker has of a run, destination by destination: `RUN/trackers/NAME.json`.

A run may be told to one tracker twice: to two folders, two projects, to files here and later to a
server. Each of them is told everything, once.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from suretune import rundir, typed

IDENTITY = ("id", "where", "folders", "again", "reached", "backs")
PROGRESS = ("steps", "texts", "count")
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


class Given:
    """What one destination has. `place`: which it is; `chosen`: the id that the environment names;
    `answers`: whether what was flushed outlives the tracker's process, whatever ends it."""

    def __init__(self, path: Path, place: str, chosen: str, answers: bool) -> None:
        known: dict[str, Any] = rundir.read_json(path) if path.is_file() else {}
        every: dict[str, Any] = known.get("destinations") or ({place: known} if known else {})
        mine = every.get(place, {})
        if chosen and mine.get("id") not in (None, "", chosen):  # another run of the same place
            place = f"{place} {chosen}"
            mine = every.get(place, {})
        self._path, self._place, self._answers = path, place, answers
        self._others = {name: one for name, one in every.items() if name != place}
        self.id = str(mine.get("id", ""))
        self.where = str(mine.get("where", ""))
        self.folders: list[str] = list(mine.get("folders", ()))  # of processes that wrote offline
        self.again = int(mine.get("again", 0))  # how often the run went back
        self.reached: dict[str, int] = dict(mine.get("reached", {}))  # and from where, at most
        self.backs: list[int] = list(mine.get("backs", ()))  # which times of the run's own count
        self.steps = {group: _spans(told) for group, told in mine.get("steps", {}).items()}
        self.texts: dict[str, str] = dict(mine.get("texts", {}))
        self.count = int(mine.get("count", 0))  # of messages with figures
        self._safe = self._progress()
        self.written = time.monotonic()

    def keep(self, *, closed: bool = False) -> None:
        """Write it down. What a package only holds in its process, or has on its way over a
        network, counts as told once the run there was closed: a killed one is told it again."""
        if closed or self._answers:
            self._safe = self._progress()
        mine = {name: getattr(self, name) for name in IDENTITY} | self._safe
        every = {**self._others, self._place: mine}
        rundir.write_json(self._path, {"last": self._place, "destinations": every})
        self.written = time.monotonic()

    def is_new(self, message: Mapping[str, Any]) -> bool:
        """Whether the tracker has not been told this."""
        if message["kind"] == "text":
            return bool(self.texts.get(message["name"]) != message["text"])
        return not holds(self.steps.get(message["group"], []), int(message["step"]))

    def mark(self, message: Mapping[str, Any]) -> None:
        """It has taken this."""
        if message["kind"] == "text":
            self.texts[str(message["name"])] = str(message["text"])
        else:
            add(self.steps.setdefault(str(message["group"]), []), int(message["step"]))
            self.count += 1

    def forget(self) -> None:
        """Nothing of it is there any more."""
        self.steps, self.texts, self.reached, self.backs = {}, {}, {}, []
        self.again = self.count = 0
        self._safe = self._progress()

    def back(self, step: int, attempt: int) -> int:
        """Updates after `step` are made again, and otherwise; the last of those that were told, or
        `step` where none was. It is written down at once: a figure must not be lost for it."""
        gone = {g: s[-1][1] for g, s in self.steps.items() if s and s[-1][1] > step}
        for group, last in gone.items():
            self.reached[group] = max(last, self.reached.get(group, last))
        for spans in (*self.steps.values(), *self._safe["steps"].values()):
            forget_after(spans, step)
        self.again += bool(gone)
        if attempt and attempt not in self.backs:
            self.backs.append(attempt)
        self.keep()
        return gone.get("update", step)

    def named(self, message: Mapping[str, Any]) -> dict[str, float]:
        """The figures of a message, by names that were not used of this step before."""
        if message["step"] > self.reached.get(message["group"], -1):
            return dict(message["values"])
        return {f"again-{self.again}/{name}": v for name, v in message["values"].items()}

    def sent_by(self, command: tuple[str, ...], folder: str) -> str:
        """The command that sends everything that was written offline, this process's part last."""
        there = [one for one in self.folders if one != folder and Path(one).is_dir()]
        self.folders = [*there, folder]
        return typed.command(*command, *self.folders)

    def _progress(self) -> dict[str, Any]:
        return deepcopy({name: getattr(self, name) for name in PROGRESS})


def _spans(told: Any) -> Spans:
    """As this version writes it, or as an earlier one: the last step."""
    return [[0, told]] if isinstance(told, int) else [list(map(int, one)) for one in told]
