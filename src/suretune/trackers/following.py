"""A listener that passes on to a tracker what happens in a run, and waits for nothing.

The tracker works in a process of its own. A queue and a thread stand between it and the training,
so that a package that hangs, dies, or has no network costs at most `PATIENCE` at the very end.
"""

from __future__ import annotations

import io
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import IO, Any, cast

from suretune import rundir, typed
from suretune.because import in_words
from suretune.events import Began, Concluded, Ended, Event, Resumed, TakenBack, Updated
from suretune.facts import SetupFacts
from suretune.refusal import Refusal
from suretune.rundir import TRACKERS
from suretune.trackers.figures import messages
from suretune.trackers.secrets import without_secrets
from suretune.trackers.tracker import Tracker
from suretune.types import Text

PATIENCE = 60.0  # seconds for everything that is left when a run is over
HURRY = 10.0  # and after Ctrl-C
SIGNALS = 128  # statuses above it are those of a signal
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
        self._said: IO[bytes] = io.BytesIO()
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
        # Without a name on the disk: whatever a package says of its keys is kept by nobody.
        self._said = tempfile.TemporaryFile()  # noqa: SIM115
        self._process = subprocess.Popen(
            [sys.executable, "-m", "suretune.trackers.feeding", self.name],
            stdin=subprocess.PIPE,
            stdout=self._said,
            stderr=self._said,
            text=True,
            encoding="utf-8",
            errors="backslashreplace",
            start_new_session=True,
        )
        threading.Thread(target=self._write, daemon=True).start()
        self._tell({"run": str(event.run), "name": self._shown, "folder": folder, "config": config})

    def _log(self) -> Path:
        """What the tracker's process said, without secrets; only where it failed."""
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
            late = Text(f"no end after {patience:g} s", f"{patience:g} 秒后还没有结束")
            raise self._refusal(late) from None
        if status:
            raise self._failed()
        self._process = None
        self._said.close()
        self._log().unlink(missing_ok=True)  # of an earlier one that failed

    def _failed(self) -> Refusal:
        """With its last words."""
        said = [line.strip() for line in self._heard().splitlines() if line.strip()]
        if said:
            return self._refusal(in_words(without_secrets(said[-1])[:LONGEST]))
        status = self._process.poll() if self._process else None
        return self._refusal(Text(f"exit status {status}", f"退出码 {status}"))

    def _heard(self) -> str:
        """Everything that its process has said. It is over: both would move one place in the file
        otherwise."""
        self._said.seek(0)
        return self._said.read().decode("utf-8", "replace")

    def _refusal(self, found: Text) -> Refusal:
        self._process = None
        self._log().write_text(without_secrets(self._heard()), "utf-8")
        self._said.close()
        later = f"suretune track {typed.path(self._run)} --to {self.name}"
        hint = self.tracker.hint
        return Refusal(
            SetupFacts(
                "listener-failed",
                self.name,
                found,
                spare=later,
                hint=hint,
            )
        )


def tell_where(run: Path, name: str) -> str:
    """Where a person finds the run in this tracker, as it was told last; empty where that is not
    known."""
    path = run / TRACKERS / f"{name}.json"
    known = rundir.read_json(path) if path.is_file() else {}
    last = known.get("destinations", {}).get(known.get("last"), known)
    return str(last.get("where", ""))
