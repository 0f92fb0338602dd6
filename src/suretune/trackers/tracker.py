"""What a tracker is: a name, a package, and what one does with a run."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from suretune.types import Text

OFFLINE = ("offline", "dryrun")  # modes of packages that write now and send later
PROJECT = "suretune"  # where nothing in the environment names another


def environment(names: Iterable[str]) -> list[str]:
    """`NAME=value` of those that are set: what tells one place from another."""
    return [f"{name}={os.environ[name]}" for name in names if os.environ.get(name)]


@dataclass(frozen=True, slots=True)
class TrackedRun:
    """A run, as its tracker opens it.

    `id`: the tracker's own name for it, the same in every process that goes on with the run; empty
    where the tracker has yet to give one. `name`: asked for, or None; `shown`: the run folder's.
    """

    run: Path
    id: str
    name: str | None
    shown: str
    folder: Path | None  # of --logging_dir: where a tracker that writes files writes them
    config: Mapping[str, Any]
    told: int = 0  # messages with figures that it has already


class Sink(Protocol):
    """One run, open in one tracker."""

    id: str  # for the next process that goes on with it
    where: str  # a folder, an address or a command under which a person finds it
    folder: str  # of this process's share, which is to be sent later (`Tracker.sync`); else empty
    is_new: bool  # nothing is there of what an earlier process told under this id

    def figures(self, step: int, values: Mapping[str, float]) -> None:
        """Numbers after update `step`, by the field's names."""

    def text(self, name: str, step: int, text: str) -> None:
        """A finding or a verdict, in words."""

    def back(self, step: int) -> None:
        """What was said of updates after `step` no longer holds."""

    def flush(self) -> None:
        """What was said so far is kept, should this process be killed now."""

    def close(self, status: int) -> None:
        """Nothing more comes; 0 where the run came to a verdict."""


@dataclass(frozen=True, slots=True)
class Tracker:
    """A member of the table: `open` imports the package, and is called in its own process."""

    name: str
    module: str  # what `import` needs
    open: Callable[[TrackedRun], Sink]
    # Names where a run goes before anything is opened, by what the environment and the command say.
    place: Callable[[TrackedRun], str]
    id_variable: str = ""  # of the environment, by which a user chooses the id
    gives_ids: bool = False  # the tracker makes the id, so a new run begins without one
    keeps_first: bool = False  # of two figures of one name and step it drops the second
    answers: bool = False  # what was flushed is there, whatever ends this process
    sync: tuple[str, ...] = ()  # the command that sends folders of runs offline
    hint: Text | None = None  # what helps where it cannot be reached

    @property
    def extra(self) -> str:
        """What pip is asked for."""
        return f"suretune[{self.name}]"
