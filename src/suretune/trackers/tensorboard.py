"""TensorBoard: event files in the run folder, or in a folder of the run's own in `--logging_dir` or
TENSORBOARD_LOGGING_DIR: all files of one folder are one run there.

Numbers are scalars in single precision, as every writer has them; findings and settings stand under
Text. Where a run goes back, a session begins anew, and TensorBoard forgets what came later.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import Any

from suretune import typed
from suretune.rundir import TRACKERS
from suretune.trackers.tracker import Sink, TrackedRun, Tracker

MARK = "suretune-run.txt"  # holds the id of the run that a shared folder's part is of
DT_STRING = 7  # of TensorFlow's types


class EventFiles:
    """A run as TensorBoard reads it."""

    def __init__(self, about: TrackedRun) -> None:
        from tensorboard.compat.proto import event_pb2, summary_pb2, tensor_pb2
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        self._event, self._summary, self._tensor = event_pb2, summary_pb2, tensor_pb2
        asked = _asked(about)
        folder, self.is_new = _own(asked, about) if asked else _inside(about)
        self.id, self.folder = about.id, ""
        self.where = typed.command(
            "tensorboard",
            "--logdir",
            asked or folder,
        )
        self._writer: Any = EventFileWriter(str(folder))
        settings = (f"{k} | {json.dumps(v, ensure_ascii=False)}" for k, v in about.config.items())
        self.text(
            "settings",
            0,
            "\n".join(("option | value", "--- | ---", *settings)),
        )

    def figures(self, step: int, values: Mapping[str, float]) -> None:
        """Scalars of this step."""
        self._add(
            step,
            [self._summary.Summary.Value(tag=k, simple_value=v) for k, v in values.items()],
        )

    def text(self, name: str, step: int, text: str) -> None:
        """Markdown, under Text."""
        plugin = self._summary.SummaryMetadata.PluginData(plugin_name="text")
        tensor = self._tensor.TensorProto(dtype=DT_STRING, string_val=[text.encode()])
        about = self._summary.SummaryMetadata(plugin_data=plugin)
        self._add(step, [self._summary.Summary.Value(tag=name, metadata=about, tensor=tensor)])

    def back(self, step: int) -> None:
        """A session that begins here: what came later, and lay in this folder, is purged."""
        begins = self._event.SessionLog(status=self._event.SessionLog.START)
        self._writer.add_event(
            self._event.Event(wall_time=time.time(), step=step + 1, session_log=begins)
        )

    def flush(self) -> None:
        """Onto the disk."""
        self._writer.flush()

    def close(self, status: int) -> None:
        """Writes what is left; a file knows no status."""
        self._writer.close()

    def _add(self, step: int, values: list[Any]) -> None:
        summary = self._summary.Summary(value=values)
        self._writer.add_event(self._event.Event(wall_time=time.time(), step=step, summary=summary))


def _asked(about: TrackedRun) -> Path | None:
    """Where the user wants it; None for the run's own folder."""
    named = os.environ.get("TENSORBOARD_LOGGING_DIR")
    return Path(named).expanduser().absolute() if named else about.folder


def _inside(about: TrackedRun) -> tuple[Path, bool]:
    """The run's own folder, and whether it is a new one."""
    folder = about.run / TRACKERS / TRACKER.name
    return folder, not folder.is_dir()


def _own(asked: Path, about: TrackedRun) -> tuple[Path, bool]:
    """This run's folder in one that several may share, and whether it is a new one. Which run it is
    of stands in it, for folders of runs are often called alike."""
    for number in count(1):
        name = about.name or about.shown
        folder = asked / (name if number == 1 else f"{name}-{number}")
        mark = folder / MARK
        if mark.is_file() and mark.read_text("utf-8").strip() == about.id:
            return folder, False
        if not folder.exists():
            folder.mkdir(parents=True)
            mark.write_text(f"{about.id}\n", "utf-8")
            break
    return folder, True


def place(about: TrackedRun) -> str:
    """The folder in which the files of the run, or of several, lie."""
    return str(_asked(about) or "in the run")


def open_run(about: TrackedRun) -> Sink:
    """A new event file in the run's folder."""
    return EventFiles(about)


TRACKER = Tracker(
    "tensorboard",
    "tensorboard",
    open_run,
    place,
    answers=True,
)
