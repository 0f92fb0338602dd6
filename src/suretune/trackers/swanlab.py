"""SwanLab. It reads SWANLAB_API_KEY, SWANLAB_MODE=offline, SWANLAB_LOG_DIR, SWANLAB_WORKSPACE and
its other variables itself.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from suretune.trackers.tracker import PROJECT, Sink, TrackedRun, Tracker, environment
from suretune.types import Text

PROJECTS = ("SWANLAB_PROJECT", "SWANLAB_PROJ_NAME")
NAMES = ("SWANLAB_EXPERIMENT", "SWANLAB_EXP_NAME")


class SwanlabRun:
    """A run in SwanLab."""

    def __init__(self, about: TrackedRun) -> None:
        import swanlab

        given = {"project": _first(PROJECTS) or PROJECT}
        given["name"] = about.name or _first(NAMES) or about.shown
        self._run: Any = swanlab.init(
            **given,
            id=about.id,
            resume="allow",
            config=dict(about.config),
        )
        self._text = swanlab.Text
        self.id, self.is_new = about.id, False
        online = self._run.mode == "online"
        self.where = str(self._run.url) if online else ""
        self.folder = "" if online else str(self._run.dir)

    def figures(self, step: int, values: Mapping[str, float]) -> None:
        """One point a chart."""
        self._run.log(dict(values), step=step)

    def text(self, name: str, step: int, text: str) -> None:
        """A text of this step."""
        self._run.log({name: self._text(text)}, step=step)

    def back(self, step: int) -> None:
        """It keeps what it has of an update, and drops what comes later: see `keeps_first`."""

    def flush(self) -> None:
        """It writes by itself; that it has, is known once the run is closed."""

    def close(self, status: int) -> None:
        """A status other than 0 shows as crashed."""
        if status:
            self._run.finish(state="crashed", error=f"exit status {status}")
        else:
            self._run.finish()


def _first(names: tuple[str, ...]) -> str:
    return next((found for name in names if (found := os.environ.get(name))), "")


def place(about: TrackedRun) -> str:
    """The project at its server, or on this machine."""
    mode = os.environ.get("SWANLAB_MODE", "online")
    names = ("SWANLAB_LOG_DIR", "SWANLAB_API_HOST", "SWANLAB_HOST", "SWANLAB_WORKSPACE")
    return " ".join((mode, _first(PROJECTS) or PROJECT, *environment(names)))


def open_run(about: TrackedRun) -> Sink:
    """The run of this id, begun or gone on with."""
    return SwanlabRun(about)


TRACKER = Tracker(
    "swanlab",
    "swanlab",
    open_run,
    place,
    id_variable="SWANLAB_RUN_ID",
    sync=("swanlab", "sync"),
    keeps_first=True,
    hint=Text(
        "`swanlab login` once, or `export SWANLAB_MODE=offline` and `swanlab sync` later.",
        "先运行一次 `swanlab login`；没有网络就 `export SWANLAB_MODE=offline`，以后再"
        " `swanlab sync`。",
    ),
)
