"""Weights & Biases. It reads WANDB_PROJECT, WANDB_NAME, WANDB_MODE=offline, WANDB_DIR and its other
variables itself.

The x axis is `train/global_step`, so that figures of a resumed run lie where they belong.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from suretune.trackers.tracker import (
    OFFLINE,
    PROJECT,
    Sink,
    TrackedRun,
    Tracker,
    environment,
)
from suretune.types import Text


class WandbRun:
    """A run in Weights & Biases."""

    def __init__(self, about: TrackedRun) -> None:
        import wandb

        named = about.name or (None if os.environ.get("WANDB_NAME") else about.shown)
        self._run: Any = wandb.init(
            project=os.environ.get("WANDB_PROJECT", PROJECT),
            name=named,
            id=about.id,
            resume="allow",
            config=dict(about.config),
            settings=wandb.Settings(console="off"),
        )
        self._run.define_metric("train/global_step")
        self._run.define_metric("*", step_metric="train/global_step")
        self.id, self.where, self.is_new = about.id, str(self._run.url or ""), False
        self.folder = "" if self._run.url else os.path.dirname(self._run.dir)
        # Its own steps begin at 0 in every process that is offline, and what lies before those of
        # another one is dropped when both are sent.
        self._count = max(about.told, int(self._run.step or 0))

    def figures(self, step: int, values: Mapping[str, float]) -> None:
        """One row of the history."""
        self._run.log({**values, "train/global_step": step}, step=self._count)
        self._count += 1

    def text(self, name: str, step: int, text: str) -> None:
        """A field of the run's summary."""
        self._run.summary[name] = text

    def back(self, step: int) -> None:
        """It keeps both figures of an update, in the order in which they came."""

    def flush(self) -> None:
        """Its own service has it; that it has kept it, is known once the run is closed."""

    def close(self, status: int) -> None:
        """A status other than 0 shows as failed."""
        self._run.finish(exit_code=status)


def place(about: TrackedRun) -> str:
    """The project at its server, or on this machine."""
    offline = os.environ.get("WANDB_MODE", "") in OFFLINE
    names = ("WANDB_DIR",) if offline else ("WANDB_BASE_URL", "WANDB_ENTITY")
    kind = "offline" if offline else "online"
    return " ".join((kind, os.environ.get("WANDB_PROJECT", PROJECT), *environment(names)))


def open_run(about: TrackedRun) -> Sink:
    """The run of this id, begun or gone on with."""
    return WandbRun(about)


TRACKER = Tracker(
    "wandb",
    "wandb",
    open_run,
    place,
    id_variable="WANDB_RUN_ID",
    sync=("wandb", "sync"),
    hint=Text(
        "`wandb login` once, or `export WANDB_MODE=offline` and `wandb sync` later.",
        "先运行一次 `wandb login`；没有网络就 `export WANDB_MODE=offline`，以后再 `wandb sync`。",
    ),
)
