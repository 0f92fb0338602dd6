"""MLflow: the store of MLFLOW_TRACKING_URI, by default `mlflow.db` in the current folder; the
experiment of MLFLOW_EXPERIMENT_NAME.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from suretune import typed
from suretune.trackers.secrets import without_secrets
from suretune.trackers.tracker import PROJECT, Sink, TrackedRun, Tracker
from suretune.types import Text

LONGEST = 500  # characters of a parameter's value that every store takes
TAG = 5000  # and of a tag's
BATCH = 100  # parameters at once


class MlflowRun:
    """A run in MLflow. MLflow makes the id, and a run that has one is gone on with."""

    def __init__(self, about: TrackedRun) -> None:
        import mlflow
        from mlflow.entities import Metric, Param

        self._metric = Metric
        self._client: Any = mlflow.MlflowClient()
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", PROJECT)
        if about.id:
            self.id = str(self._client.get_run(about.id).info.run_id)
            self._client.update_run(self.id, status="RUNNING")
        else:
            found = self._client.get_experiment_by_name(name)
            experiment = found.experiment_id if found else self._client.create_experiment(name)
            shown = about.name or about.shown
            self.id = str(self._client.create_run(experiment, run_name=shown).info.run_id)
            told = [Param(k, str(v)[:LONGEST]) for k, v in about.config.items()]
            for begin in range(0, len(told), BATCH):
                self._client.log_batch(self.id, params=told[begin : begin + BATCH])
        self.folder, self.is_new = "", False
        self.where = _shown(
            str(mlflow.get_tracking_uri()),
            self.id,
            self._client,
        )

    def figures(self, step: int, values: Mapping[str, float]) -> None:
        """Metrics of this step, in one request."""
        now = int(time.time() * 1000)
        told = [self._metric(k, v, now, step) for k, v in values.items()]
        self._client.log_batch(self.id, metrics=told)

    def text(self, name: str, step: int, text: str) -> None:
        """A tag of the run."""
        self._client.set_tag(self.id, name, text[:TAG])

    def back(self, step: int) -> None:
        """It keeps both figures of an update; its tables show the later one."""

    def flush(self) -> None:
        """Every call has been answered by the store."""

    def close(self, status: int) -> None:
        """Finished, or failed."""
        self._client.set_terminated(self.id, "FAILED" if status else "FINISHED")


def _shown(uri: str, run_id: str, client: Any) -> str:
    """The page of a server, or the command that shows a store; a password stays in its variable."""
    if urlsplit(uri).scheme in ("http", "https"):
        experiment = client.get_run(run_id).info.experiment_id
        return f"{without_secrets(uri).rstrip('/')}/#/experiments/{experiment}/runs/{run_id}"
    secret = without_secrets(uri) != uri and uri == os.environ.get("MLFLOW_TRACKING_URI")
    store = '"$MLFLOW_TRACKING_URI"' if secret else typed.word(uri)
    return f"mlflow ui --backend-store-uri {store}"


def place(about: TrackedRun) -> str:
    """The store and the experiment. Stores in files are named from the current folder."""
    uri = os.environ.get("MLFLOW_TRACKING_URI", "")
    here = "" if urlsplit(uri).netloc else f" in {os.getcwd()}"
    return f"{uri or 'the default store'}{here} {os.environ.get('MLFLOW_EXPERIMENT_NAME', PROJECT)}"


def open_run(about: TrackedRun) -> Sink:
    """The run of this id, or a new one."""
    return MlflowRun(about)


TRACKER = Tracker(
    "mlflow",
    "mlflow",
    open_run,
    place,
    id_variable="MLFLOW_RUN_ID",
    gives_ids=True,
    answers=True,
    hint=Text(
        "`export MLFLOW_TRACKING_URI=sqlite:///mlflow.db` needs no server.",
        "`export MLFLOW_TRACKING_URI=sqlite:///mlflow.db` 不需要服务器。",
    ),
)
