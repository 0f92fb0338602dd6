"""Where requests are handed in: what the server needs of one engine or of several, and what an
engine needs of its table. The nouns between the event loop and the engines' threads."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from suretune.model.slots import Ask, Said


class Table(Protocol):
    """What the engine needs of `Slots`."""

    @property
    def free(self) -> int:
        """How many slots are free."""
        ...

    @property
    def rows(self) -> int:
        """How many slots there are."""
        ...

    def admit(self, asks: Sequence[Ask]) -> list[tuple[int, Said]]:
        """Give each request a free slot; (slot, first token) of each."""
        ...

    def step(self) -> list[Said]:
        """One token for every slot that is taken."""
        ...

    def drop(self, slot: int) -> None:
        """Free a slot whose request is over."""
        ...

    def load(self, name: str, folder: Path) -> object:
        """Put an adapter beside the others under this name; what was found of it."""
        ...

    def unload(self, name: str) -> None:
        """Take an adapter away."""
        ...


class Full(Exception):
    """The queue has no place."""


class Closed(Exception):
    """The engine takes no more: it drains, or is dead."""


class Gone(RuntimeError):
    """The table itself is gone, and not only what was asked of it."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A request that ends without its answer; `refused`: by its own fault."""

    why: str
    refused: bool = False


@dataclass(eq=False, slots=True)
class Job:
    """One request under way. `events` are read on the event loop; they end with a Failure or with
    a Said that has an end. `bound`: to be answered by this engine and no other."""

    ask: Ask
    events: asyncio.Queue[Said | Failure] = field(default_factory=asyncio.Queue)
    slot: int | None = None
    cancelled: bool = False
    bound: bool = False


class Desk(Protocol):
    """One engine, or several that are one to whoever asks."""

    @property
    def running(self) -> int:
        """Slots in use."""
        ...

    @property
    def waiting(self) -> int:
        """Requests that have no slot yet."""
        ...

    @property
    def under_way(self) -> int:
        """Requests that have a place."""
        ...

    @property
    def adapters(self) -> tuple[str, ...]:
        """Names of those that are loaded."""
        ...

    @property
    def state(self) -> str:
        """ready, draining or dead."""
        ...

    @property
    def places(self) -> int:
        """Requests that can be under way at once."""
        ...

    @property
    def members(self) -> Sequence[Member]:
        """The engines, each by itself."""
        ...

    def start(self) -> None:
        """Open what answers; call within the event loop that shall hear the answers."""
        ...

    def need_place(self, count: int = 1) -> None:
        """`Full` or `Closed` where so many requests would find no place now."""
        ...

    def place(self, count: int = 1) -> AbstractContextManager[None]:
        """One client's, from when its body is there until its answer is out."""
        ...

    def submit(self, ask: Ask) -> Job:
        """Queue a request; `Closed` where none is answered any more."""
        ...

    def cancel(self, job: Job) -> None:
        """Nobody waits for this answer any more."""
        ...

    async def load(self, name: str, bring: Callable[[Table], None]) -> None:
        """Let `bring` read an adapter, now and whenever a table is rebuilt."""
        ...

    async def unload(self, name: str) -> None:
        """Give an adapter's place free, once no request uses it."""
        ...

    def drain(self) -> None:
        """Take no more; what is under way goes on."""
        ...

    def close(self, why: str) -> int:
        """End now. How many requests were cut off."""
        ...


class Member(Protocol):
    """One engine of a desk."""

    @property
    def condition(self) -> str:
        """ready, rebuilding or dead."""
        ...

    @property
    def running(self) -> int:
        """Slots in use."""
        ...

    @property
    def waiting(self) -> int:
        """Requests that have no slot yet."""
        ...

    @property
    def rows(self) -> int:
        """Slots there are."""
        ...

    def submit(self, ask: Ask, *, bound: bool = False) -> Job:
        """Queue a request; `bound`: for this engine and no other."""
        ...


class Entrance(Protocol):
    """Counts those who are inside. Whose it is says how many places there are, and its state."""

    _taken: int

    @property
    def state(self) -> str:
        """ready, draining or dead."""
        ...

    @property
    def places(self) -> int:
        """Requests that can be under way at once."""
        ...

    @property
    def under_way(self) -> int:
        """Requests that have a place."""
        return self._taken

    def need_place(self, count: int = 1) -> None:
        """`Full` or `Closed` where so many requests would find no place now."""
        if self.state != "ready":
            raise Closed(self.state)
        if self._taken + count > self.places:
            raise Full(f"{self._taken} requests are under way")

    @contextlib.contextmanager
    def place(self, count: int = 1) -> Iterator[None]:
        """One client's, from when its body is there until its answer is out.

        `Full` or `Closed` where there is none. What has a place may submit while others drain.
        """
        self.need_place(count)
        self._taken += count
        try:
            yield
        finally:
            self._taken -= count
