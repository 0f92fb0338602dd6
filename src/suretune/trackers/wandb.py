"""Weights & Biases. It reads WANDB_PROJECT, WANDB_NAME, WANDB_MODE=offline, WANDB_DIR and its other
variables itself.

The x axis is `train/global_step`, so that figures of a resumed run lie where they belong.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from suretune.trackers.tracker import PROJECT, Sink, TrackedRun, Tracker
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
        offline = f"wandb sync {os.path.dirname(self._run.dir)}"
        self.id, self.where = about.id, self._run.url or offline

    def figures(self, step: int, values: Mapping[str, float]) -> None:
        """One row of the history."""
        self._run.log({**values, "train/global_step": step})

    def text(self, name: str, step: int, text: str) -> None:
        """A field of the run's summary."""
        self._run.summary[name] = text

    def back(self, step: int) -> None:
        """It keeps both figures of an update, in the order in which they came."""

    def flush(self) -> None:
        """Its own service has it, and outlives this process."""

    def close(self, status: int) -> None:
        """A status other than 0 shows as failed."""
        self._run.finish(exit_code=status)


def open_run(about: TrackedRun) -> Sink:
    """The run of this id, begun or gone on with."""
    return WandbRun(about)


TRACKER = Tracker(
    "wandb",
    "wandb",
    open_run,
    id_variable="WANDB_RUN_ID",
    hint=Text(
        "`wandb login` once, or `export WANDB_MODE=offline` and `wandb sync` later.",
        "先运行一次 `wandb login`；没有网络就 `export WANDB_MODE=offline`，以后再 `wandb sync`。",
    ),
)
