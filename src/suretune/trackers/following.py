"""A listener that passes on to a tracker what happens in a run, and waits for nothing.

The tracker works in a process of its own. A queue and a thread stand between it and the training,
so that a package that hangs, dies, or has no network costs at most `PATIENCE` at the very end.
"""

from __future__ import annotations

import json
import os
import queue
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import IO, Any, cast

from suretune import rundir, typed
from suretune.events import Began, Concluded, Ended, Event, Resumed, TakenBack, Updated
from suretune.facts import SetupFacts
from suretune.refusal import Refusal
from suretune.rundir import TRACKERS
from suretune.trackers.figures import messages
from suretune.trackers.tracker import Tracker

PATIENCE = 60.0  # seconds for everything that is left when a run is over
HURRY = 10.0  # and after Ctrl-C
SIGNALS = 128  # statuses above it are those of a signal
SECRET = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL", re.IGNORECASE)
LONGEST = 300  # characters of what a tracker said


class Following:
    """Feeds one tracker with the events of one run; raises `Refusal` (S047) once it cannot."""

    def __init__(
        self,
        tracker: Tracker,
        name: str | None = None,
        folder: str | None = None,
        patience: float = PATIENCE,
    ) -> None:
        self.tracker, self.name = tracker, tracker.name
        self._shown, self._folder, self._patience = name, folder, patience
        self._process: subprocess.Popen[str] | None = None
        self._waiting: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._run = Path()
        self._step = 0

    def on(self, event: Event) -> None:
        """Pass it on; after the verdict, or the end, wait until the tracker has all of it."""
        if isinstance(event, Began):
            self._start(event)
        if self._process is None:
            return
        if self._process.poll() is not None:
            raise self._failed()
        if isinstance(event, Updated):
            self._step = event.record.step
        elif isinstance(event, Resumed):
            self._step = event.step
        before = event.found if isinstance(event, Began) else ()
        for message in chain.from_iterable(messages(one, self._step) for one in (*before, event)):
            self._tell(message)
        if isinstance(event, TakenBack):
            self._step = event.step
        if isinstance(event, Concluded):  # before the seal: what fails now is still written down
            self._tell({"kind": "end", "status": 0})
        if isinstance(event, Concluded | Ended):
            self._finish(event)

    def _start(self, event: Began) -> None:
        self._run = event.run
        rundir.make_folder(event.run / TRACKERS)
        config = {**event.config, "plan": event.plan["digest"]}
        folder = os.path.abspath(os.path.expanduser(self._folder)) if self._folder else None
        with self._log().open("w") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "suretune.trackers.feeding", self.name],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                text=True,
                encoding="utf-8",
                errors="backslashreplace",
                start_new_session=True,
            )
        threading.Thread(target=self._write, daemon=True).start()
        self._tell({"run": str(event.run), "name": self._shown, "folder": folder, "config": config})

    def _log(self) -> Path:
        """What the tracker's process says; gone once all went well."""
        return self._run / TRACKERS / f"{self.name}.log"

    def _tell(self, message: Mapping[str, Any]) -> None:
        self._waiting.put(rundir.dumps(message).decode())

    def _write(self) -> None:
        """On a thread of its own, for a pipe that nobody reads blocks who writes."""
        told = cast("IO[str]", self._process and self._process.stdin)
        with suppress(OSError, ValueError):  # its process is gone, which `on` notices and tells
            while (line := self._waiting.get()) is not None:
                told.write(line + "\n")
                told.flush()
            told.close()

    def _finish(self, event: Event) -> None:
        """Nothing more comes: wait for what is left, but not for ever."""
        process = cast("subprocess.Popen[str]", self._process)
        self._waiting.put(None)
        interrupted = isinstance(event, Ended) and event.status > SIGNALS  # somebody waits
        patience = min(self._patience, HURRY) if interrupted else self._patience
        try:
            status = process.wait(patience)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            found = f"no end after {patience:g} s"
            raise self._refusal(found) from None
        if status:
            raise self._failed()
        self._process = None
        self._log().unlink(missing_ok=True)

    def _failed(self) -> Refusal:
        """With its last words."""
        text = self._log().read_text("utf-8", "replace") if self._log().is_file() else ""
        said = [line.strip() for line in text.splitlines() if line.strip()]
        status = self._process.poll() if self._process else None
        return self._refusal(said[-1] if said else f"exit status {status}")

    def _refusal(self, found: str) -> Refusal:
        self._process = None
        if self._log().is_file():
            kept = without_secrets(self._log().read_text("utf-8", "replace"))
            self._log().write_text(kept, "utf-8")
        found = without_secrets(found)[:LONGEST]
        later = f"suretune track {typed.path(self._run)} --to {self.name}"
        hint = self.tracker.hint
        return Refusal(SetupFacts("listener-failed", self.name, found, spare=later, hint=hint))


def without_secrets(text: str) -> str:
    """What may be kept of somebody's words: no value of a variable that holds a secret, no password
    of an address."""
    for name, value in os.environ.items():
        if SECRET.search(name) and len(value) >= 6:
            text = text.replace(value, "***")
    return re.sub(r"(://)[^/\s@]+@", r"\1***@", text)


def tell_where(run: Path, name: str) -> str:
    """Where a person finds the run in this tracker; empty where that is not known."""
    path = run / TRACKERS / f"{name}.json"
    return json.loads(path.read_bytes()).get("where", "") if path.is_file() else ""
