"""Trackio: a database under TRACKIO_DIR, by default in the Hugging Face cache; `trackio show`
reads it. TRACKIO_PROJECT names the project, TRACKIO_SPACE_ID a Space to send it to.

It knows a run by its name, so the id stands behind the name that is shown.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from suretune import typed
from suretune.trackers.tracker import PROJECT, Sink, TrackedRun, Tracker, environment

KEPT = 8  # characters of an id that tell runs of one name apart


class TrackioRun:
    """A run in Trackio."""

    def __init__(self, about: TrackedRun) -> None:
        import trackio

        project = os.environ.get("TRACKIO_PROJECT", PROJECT)
        self._run: Any = trackio.init(
            project=project,
            name=f"{about.name or about.shown}-{about.id[:KEPT]}",
            resume="allow",
            config=dict(about.config),
            embed=False,
            auto_log_gpu=False,
            auto_log_cpu=False,
        )
        self._inform = trackio.AlertLevel.INFO
        self.id, self.where = about.id, typed.command("trackio", "show", "--project", project)
        self.folder, self.is_new = "", False

    def figures(self, step: int, values: Mapping[str, float]) -> None:
        """One row of the run's metrics."""
        self._run.log({**values, "train/global_step": step}, step=step)

    def text(self, name: str, step: int, text: str) -> None:
        """An alert, which the dashboard lists."""
        self._run.alert(title=name, text=text, level=self._inform)

    def back(self, step: int) -> None:
        """It keeps both figures of an update, in the order in which they came."""

    def flush(self) -> None:
        """It writes every half second by itself; that it has, is known once the run is closed."""

    def close(self, status: int) -> None:
        """A run has no status there."""
        self._run.finish()


def place(about: TrackedRun) -> str:
    """The project, in the folder or the Space that is named."""
    names = ("TRACKIO_DIR", "TRACKIO_SPACE_ID", "TRACKIO_SERVER_URL")
    return " ".join((os.environ.get("TRACKIO_PROJECT", PROJECT), *environment(names)))


def open_run(about: TrackedRun) -> Sink:
    """The run of this name and id, begun or gone on with."""
    return TrackioRun(about)


TRACKER = Tracker("trackio", "trackio", open_run, place)
