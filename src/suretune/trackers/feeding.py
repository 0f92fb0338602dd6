"""In the tracker's own process: messages from a pipe into one tracker, each of them once.

What the tracker has already is kept in the run folder (`given.py`), so that a run that is resumed,
or fed again afterwards, goes on in the same tracker run and says nothing twice.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TextIO
from uuid import uuid4

from suretune import rundir
from suretune.rundir import TRACKERS
from suretune.trackers import trackers
from suretune.trackers.given import Given
from suretune.trackers.secrets import without_secrets
from suretune.trackers.tracker import Sink, TrackedRun, Tracker

EVERY = 2.0  # seconds, at most, after which what was given is flushed and noted
# Packages report their own use over the network unless told not to.
QUIET = {"DO_NOT_TRACK": "1", "MLFLOW_DISABLE_TELEMETRY": "true", "WANDB_ERROR_REPORTING": "false"}


def begin(tracker: Tracker, told: Mapping[str, Any]) -> tuple[Sink, Given]:
    """Open the tracker's run: the one that this run was begun in there, or a new one.

    The id is on the disk before a tracker hears of it, where it is ours to choose.
    """
    run = Path(told["run"])
    rundir.make_folder(run / TRACKERS)
    folder = Path(told["folder"]) if told["folder"] else None
    about = TrackedRun(
        run,
        "",
        told["name"],
        run.name,
        folder,
        told["config"],
    )
    chosen = os.environ.get(tracker.id_variable, "") if tracker.id_variable else ""
    path, place = run / TRACKERS / f"{tracker.name}.json", without_secrets(tracker.place(about))
    given = Given(path, place, chosen, tracker.answers)
    made = "" if tracker.gives_ids else uuid4().hex
    given.told.id = given.told.id or chosen or made
    given.keep()
    sink = tracker.open(replace(about, id=given.told.id, told=given.told.count))
    if sink.is_new:
        given.forget()
    given.told.id = sink.id
    given.told.where = without_secrets(sink.where)
    if sink.folder:
        given.told.where = given.sent_by(tracker.sync, sink.folder)
    given.keep()
    return sink, given


def feed(
    tracker: Tracker,
    sink: Sink,
    given: Given,
    lines: Iterable[str],
) -> None:
    """Give it what comes, until there is nothing more: the sender may have been killed.

    Where the tracker raises, what it took before is closed in it and noted; the message in hand is
    not, so that a later process tells that one first.
    """
    status = 1
    try:
        for line in lines:
            message = json.loads(line)
            if message["kind"] == "end":
                status = message["status"]
                break
            _tell(tracker, sink, given, message)
            if time.monotonic() - given.written > EVERY:
                sink.flush()
                given.keep()
        sink.flush()
    except Exception as error:
        try:
            sink.close(1)
        except Exception as also:
            raise error from also
        given.keep(closed=True)
        raise
    sink.close(status)
    given.keep(closed=True)


def _tell(
    tracker: Tracker,
    sink: Sink,
    given: Given,
    message: Mapping[str, Any],
) -> None:
    """One message, if it is new."""
    if message["kind"] == "back":
        go_back(tracker, sink, given, message)
    elif given.is_new(message):
        if message["kind"] == "text":
            sink.text(
                message["name"],
                message["step"],
                message["text"],
            )
        else:
            values = given.named(message) if tracker.keeps_first else message["values"]
            sink.figures(message["step"], values)
        given.mark(message)


def go_back(
    tracker: Tracker,
    sink: Sink,
    given: Given,
    message: Mapping[str, Any],
) -> None:
    """Take back what can be; what was told and will be told again is named in a text, and so is
    what a run that is told afterwards had taken back before."""
    step, afterwards = int(message["step"]), bool(message["afterwards"])
    if afterwards and message["attempt"] in given.told.backs:
        return
    was_told = given.back(step, int(message["attempt"]))
    last = int(message["last"]) if afterwards and was_told == step else was_told
    if was_told > step:
        sink.back(step)
    if last > step:
        kind = "again" if was_told > step else "before"
        texts = message["texts"][kind]
        text = str(texts["one" if last == step + 1 else "many"]).format(first=step + 1, last=last)
        if tracker.keeps_first and was_told > step:
            text += str(message["elsewhere"]).format(again=given.told.again)
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
