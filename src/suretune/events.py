"""What happens in a run, as one stream: whoever wants to know listens to it.

    Began · Staged · Answered · Planned · Updated · Evaluated · Saved · Resumed · TakenBack · Found
    Noted · Concluded · Ended

The files of a run, what the terminal shows, and trackers are listeners, in this order. A run looks
at none of them: it tells what happened, and goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from suretune.facts import Finding
from suretune.types import Evaluation, StepRecord


@dataclass(frozen=True, slots=True)
class Began:
    """A run folder is there, and nothing is loaded yet.

    `config`: every option of the training with its value; `plan`: the figures of plan.json without
    its updates. `resumed`: the run was begun before, by another process. `found`: what guards have
    said so far.
    """

    run: Path
    config: Mapping[str, Any]
    plan: Mapping[str, Any]
    resumed: bool
    found: tuple[Found, ...] = ()


@dataclass(frozen=True, slots=True)
class Staged:
    """A stage begins: base, train, dose or proof."""

    name: str


@dataclass(frozen=True, slots=True)
class Answered:
    """The base has answered `done` of `asked` questions, or of so many as there are: `asked` 0.

    It is told at every step of an answer where answers take time: on a CPU.
    """

    done: int
    asked: int


@dataclass(frozen=True, slots=True)
class Planned:
    """So many updates are left of the plan, now that a budget has had its say. `before`: as many
    there were; `settles`: as many it takes until a new name leaks no more, 0 if any number does."""

    updates: int
    before: int
    settles: int = 0


@dataclass(frozen=True, slots=True)
class Updated:
    """An update was applied. `share_of_limit`: of the device's matrix rate; None if not known."""

    record: StepRecord
    share_of_limit: float | None = None

    def line(self) -> dict[str, Any]:
        """A line of steps.jsonl."""
        record = self.record
        line = {**asdict(record), "tokens_per_second": round(record.tokens / record.seconds, 1)}
        if self.share_of_limit is not None:
            line["share_of_limit"] = self.share_of_limit
        return line


@dataclass(frozen=True, slots=True)
class Evaluated:
    """Held-out loss, probes, general questions and drift after an update.

    `kept`: it belongs to the run's evaluations; a look at a lower dose of the finished adapter
    does not.
    """

    found: Evaluation
    kept: bool = True

    def line(self) -> dict[str, Any]:
        """A line of evals.jsonl."""
        return asdict(self.found)


@dataclass(frozen=True, slots=True)
class Saved:
    """A checkpoint is complete."""

    step: int
    path: Path


@dataclass(frozen=True, slots=True)
class Resumed:
    """A resumed run goes on after update `step`; 0: from the beginning."""

    step: int


@dataclass(frozen=True, slots=True)
class TakenBack:
    """The run went back: what was told of updates after `step` no longer holds.

    `attempt`: which time of the run this is, from 1; 0 where nobody counts. `last`: the last update
    that had been made. `afterwards`: it is told from the run's files, of a run that went on: what
    is told after it holds, and who heard of this time already need not hear of it again.
    """

    step: int
    attempt: int = 0
    last: int = 0
    afterwards: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """A guard spoke. `ignored`: it would have stopped the run, and --ignore names its code."""

    finding: Finding
    ignored: bool = False

    def line(self) -> dict[str, Any]:
        """A line of findings.jsonl."""
        return {**asdict(self.finding), "ignored": self.ignored}


@dataclass(frozen=True, slots=True)
class Noted:
    """A figure of the machinery: which engine, how long something took."""

    name: str
    about: Mapping[str, Any]

    def line(self) -> dict[str, Any]:
        """A line of events.jsonl."""
        return {"event": self.name, **self.about}


@dataclass(frozen=True, slots=True)
class Concluded:
    """The proof was judged and the report written; the seal, if there is one, comes after this."""

    status: int
    report: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Ended:
    """Nothing more comes. `status` is the command's exit status, `reasons` say why it is not 0."""

    status: int
    reasons: tuple[str, ...] = ()


Told = Began | Staged | Planned | Updated | Evaluated | Saved | Concluded | Ended
Event = Told | Answered | Resumed | TakenBack | Found | Noted


class Listener(Protocol):
    """Somebody who is told what happens. It is called on the thread that trains."""

    def on(self, event: Event) -> None:
        """Be told; who raises hears nothing more, and a finding says so."""


class Stream:
    """Tells every listener every event, in the order in which they joined.

    `lost` is told once of a listener that raised: it hears nothing more, and the run goes on.
    """

    def __init__(self, lost: Callable[[Listener, Exception], None]) -> None:
        self._lost = lost
        self._listeners: list[Listener] = []

    def join(self, *listeners: Listener) -> None:
        """From now on these listen, too."""
        self._listeners.extend(listeners)

    def on(self, event: Event) -> None:
        """Tell it to all of them."""
        for listener in tuple(self._listeners):
            try:
                listener.on(event)
            except Exception as error:
                self._listeners.remove(listener)
                self._lost(listener, error)
