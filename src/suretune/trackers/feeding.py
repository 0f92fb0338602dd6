"""In the tracker's own process: messages from a pipe into one tracker, each of them once.

What the tracker has already is kept in the run folder, so that a run that is resumed, or fed again
afterwards, goes on in the same tracker run and says nothing twice.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TextIO
from uuid import uuid4

from suretune import rundir
from suretune.rundir import TRACKERS
from suretune.trackers import trackers
from suretune.trackers.tracker import Sink, TrackedRun, Tracker

EVERY = 2.0  # seconds, at most, after which what was given is flushed and noted
# Packages report their own use over the network unless told not to.
QUIET = {"DO_NOT_TRACK": "1", "MLFLOW_DISABLE_TELEMETRY": "true", "WANDB_ERROR_REPORTING": "false"}


class Given:
    """What a tracker has of a run: `trackers/NAME.json`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        known: dict[str, Any] = rundir.read_json(path) if path.is_file() else {}
        self.id = str(known.get("id", ""))
        self.where = str(known.get("where", ""))
        self.steps: dict[str, int] = dict(known.get("steps", {}))
        self.texts: dict[str, str] = dict(known.get("texts", {}))
        self.again = int(known.get("again", 0))  # how often the run went back
        self.reached: dict[str, int] = dict(known.get("reached", {}))  # and from where, at most
        self.written = time.monotonic()

    def keep(self) -> None:
        """Write it down."""
        kept = ("id", "where", "steps", "texts", "again", "reached")
        rundir.write_json(self.path, {name: getattr(self, name) for name in kept})
        self.written = time.monotonic()

    def is_new(self, message: Mapping[str, Any]) -> bool:
        """Whether the tracker has not been told this; from now on it has."""
        if message["kind"] == "text":
            name, text = str(message["name"]), str(message["text"])
            before, self.texts[name] = self.texts.get(name), text
            return before != text
        group, step = str(message["group"]), int(message["step"])
        if step <= self.steps.get(group, -1):
            return False
        self.steps[group] = step
        return True

    def back(self, step: int) -> int:
        """Updates after `step` are made again, and otherwise; the last of those that were told, or
        `step` where none was. It is written down at once: a figure must not be lost for it."""
        gone = {group: last for group, last in self.steps.items() if last > step}
        for group, last in gone.items():
            self.reached[group] = max(last, self.reached.get(group, last))
        self.steps |= dict.fromkeys(gone, step)
        self.again += bool(gone)
        self.keep()
        return gone.get("update", step)

    def named(self, message: Mapping[str, Any]) -> dict[str, float]:
        """The figures of a message, by names that were not used of this step before."""
        if message["step"] > self.reached.get(message["group"], -1):
            return dict(message["values"])
        return {f"again-{self.again}/{name}": v for name, v in message["values"].items()}


def begin(tracker: Tracker, told: Mapping[str, Any]) -> tuple[Sink, Given]:
    """Open the tracker's run: the one that this run was begun in, or a new one.

    The id is on the disk before a tracker hears of it, where it is ours to choose.
    """
    run = Path(told["run"])
    rundir.make_folder(run / TRACKERS)
    given = Given(run / TRACKERS / f"{tracker.name}.json")
    chosen = os.environ.get(tracker.id_variable, "") if tracker.id_variable else ""
    given.id = given.id or chosen or ("" if tracker.gives_ids else uuid4().hex)
    given.keep()
    folder = Path(told["folder"] or run / TRACKERS / tracker.name)
    about = TrackedRun(run, given.id, told["name"], run.name, folder, told["config"])
    sink = tracker.open(about)
    given.id, given.where = sink.id, sink.where
    given.keep()
    return sink, given


def feed(tracker: Tracker, sink: Sink, given: Given, lines: Iterable[str]) -> None:
    """Give it what comes, until there is nothing more: the sender may have been killed."""
    status = 1
    for line in lines:
        message = json.loads(line)
        kind = message["kind"]
        if kind == "end":
            status = message["status"]
            break
        if kind == "back":
            go_back(tracker, sink, given, message)
        elif given.is_new(message):
            if kind == "text":
                sink.text(message["name"], message["step"], message["text"])
            else:
                values = given.named(message) if tracker.keeps_first else message["values"]
                sink.figures(message["step"], values)
        if time.monotonic() - given.written > EVERY:
            sink.flush()
            given.keep()
    sink.flush()
    sink.close(status)
    given.keep()


def go_back(tracker: Tracker, sink: Sink, given: Given, message: Mapping[str, Any]) -> None:
    """Take back what can be; what was told and will be told again is named in a text."""
    step = int(message["step"])
    last = given.back(step)
    sink.back(step)
    if last > step:
        text = str(message["text"]).format(first=step + 1, last=last)
        if tracker.keeps_first:
            text += str(message["elsewhere"]).format(again=given.again)
        sink.text(f"taken_back/{step + 1}-{last}", step, text)


def main(words: TextIO, name: str) -> None:
    """The process of one tracker: its first line says which run, the others what happens in it."""
    if sys.path and sys.path[0] in ("", os.getcwd()):
        del sys.path[0]  # a folder of the user's that is called like the package is none
    for variable, value in QUIET.items():
        os.environ.setdefault(variable, value)
    tracker = trackers()[name]
    sink, given = begin(tracker, json.loads(words.readline()))
    feed(tracker, sink, given, words)


if __name__ == "__main__":
    main(sys.stdin, sys.argv[1])
