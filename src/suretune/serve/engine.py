"""The thread that owns the device: a bounded queue, slots, steps, cancellation, adapters.

Requests come from the event loop and what is said goes back to it, once a turn for all of them. A
turn: loads and cancellations, then admission in the order of arrival, then one step of every slot.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from suretune.model.slots import Ask, Said
from suretune.serve.spoken import spoken

log = logging.getLogger("suretune.serve")
READ_TOKENS = 8192  # of prompts that are read in one turn: all others wait for them
REBUILDS = 3  # in REBUILD_SECONDS; then the engine stays dead
REBUILD_SECONDS = 600.0


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


@dataclass(frozen=True, slots=True)
class Failure:
    """A request that ends without its answer; `refused`: by its own fault."""

    why: str
    refused: bool = False


@dataclass(eq=False, slots=True)
class Job:
    """One request under way. `events` are read on the event loop; they end with a Failure or with
    a Said that has an end."""

    ask: Ask
    events: asyncio.Queue[Said | Failure] = field(default_factory=asyncio.Queue)
    slot: int | None = None
    cancelled: bool = False


@dataclass(eq=False, slots=True)
class _Order:
    """Something that must happen between steps; `name` is an adapter that nobody may use then."""

    what: Callable[[Table], None]
    done: asyncio.Future[None]
    name: str | None = None


class Engine:
    """Answers requests from one table of slots; rebuilds the table if it fails."""

    def __init__(
        self,
        open_table: Callable[[], Table],
        max_queue: int,
    ) -> None:
        self._open = open_table
        self._table: Table | None = None
        self._most = max_queue
        self._lock = threading.Condition()
        self._waiting: dict[int, Job] = {}  # by identity, in the order of arrival
        self._live: dict[int, Job] = {}  # by slot
        self._cancelled: list[Job] = []
        self._orders: list[_Order] = []
        self._adapters: dict[str, Callable[[Table], None]] = {}
        self._taken = self._rows = 0  # places; slots
        self._picked: list[Job] = []  # taken from the queue in this turn
        self._rebuilt: deque[float] = deque(maxlen=REBUILDS)
        self._closing = self._draining = self._dead = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(
            target=self._run,
            name="suretune-engine",
            daemon=True,
        )

    # --- from the event loop ------------------------------------------------------------------

    def start(self) -> None:
        """Open the table and begin; call within the event loop that shall hear the answers."""
        self._loop = asyncio.get_running_loop()
        self._table = self._open()
        self._rows = self._table.rows
        self._thread.start()

    @property
    def running(self) -> int:
        """Slots in use."""
        return len(self._live)

    @property
    def waiting(self) -> int:
        """Requests that have no slot yet."""
        return len(self._waiting)

    @property
    def under_way(self) -> int:
        """Requests that have a place."""
        return self._taken

    @property
    def adapters(self) -> tuple[str, ...]:
        """Names of those that are loaded."""
        return tuple(self._adapters)

    @property
    def state(self) -> str:
        """ready, draining or dead."""
        return "dead" if self._dead else "draining" if self._draining else "ready"

    @property
    def places(self) -> int:
        """Requests that can be under way at once."""
        return self._rows + self._most

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

    def submit(self, ask: Ask) -> Job:
        """Queue a request; `Closed` where none is answered any more."""
        job = Job(ask)
        with self._lock:
            if self._dead or self._closing:
                raise Closed(self.state)
            self._waiting[id(job)] = job
            self._lock.notify()
        return job

    def cancel(self, job: Job) -> None:
        """Nobody waits for this answer any more; its slot is free before the next step."""
        with self._lock:
            job.cancelled = True
            if self._waiting.pop(id(job), None) is None:
                self._cancelled.append(job)
            self._lock.notify()

    async def load(self, name: str, bring: Callable[[Table], None]) -> None:
        """Let `bring` read an adapter between two steps, now and whenever the table is rebuilt."""

        def now(table: Table) -> None:
            bring(table)
            self._adapters[name] = bring

        await self._order(now, None)

    async def unload(self, name: str) -> None:
        """Give an adapter's place free, once no request uses it."""

        def now(table: Table) -> None:
            table.unload(name)
            del self._adapters[name]

        await self._order(now, name)

    async def _order(
        self,
        what: Callable[[Table], None],
        name: str | None,
    ) -> None:
        order = _Order(what, asyncio.get_running_loop().create_future(), name)
        with self._lock:
            if self._dead or self._closing:
                raise Closed(self.state)
            self._orders.append(order)
            self._lock.notify()
        await order.done

    def drain(self) -> None:
        """Take no more; what is under way goes on."""
        with self._lock:
            self._draining = True

    def close(self, why: str) -> int:
        """End now. How many requests were cut off."""
        with self._lock:
            self._draining = self._closing = True
            self._lock.notify()
        if self._thread.is_alive():
            self._thread.join()
        cut = self.under_way
        self._fail([*self._live.values(), *self._waiting.values()], Failure(why))
        self._live.clear()
        self._waiting.clear()
        self._refuse_orders()
        return cut

    # --- on the thread ------------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            with self._lock:
                while not (self._closing or self._work()):
                    self._lock.wait()
                if self._closing:
                    return
            try:
                self._turn()
            except Exception as error:  # whatever it was, others wait for an answer
                if not self._recovered(error):
                    return

    def _work(self) -> bool:
        possible = any(self._ripe(order) for order in self._orders)
        return bool(self._live or self._waiting or self._cancelled or possible)

    def _ripe(self, order: _Order) -> bool:
        """Whether nobody uses the adapter that it takes away."""
        if order.name is None:
            return True
        under_way = (*self._live.values(), *self._waiting.values())
        return all(job.ask.adapter != order.name for job in under_way)

    def _turn(self) -> None:
        table = self._table
        if table is None:
            raise RuntimeError("no table")
        with self._lock:
            cancelled, self._cancelled = self._cancelled, []
            orders = [order for order in self._orders if self._ripe(order)]
            self._orders = [order for order in self._orders if order not in orders]
        for job in cancelled:
            if job.slot is not None and self._live.get(job.slot) is job:
                table.drop(job.slot)
                del self._live[job.slot]
        for order in orders:
            self._do(order, table)
        if self._pick(table.free):  # told before the step, which may fail: some have ended here
            self._tell(self._admitted(table, self._picked))
        self._picked = []
        told: list[tuple[Job, Said | Failure]] = []
        if self._live:
            for said in table.step():
                told.append((self._live[said.slot], said))
                if said.end:
                    del self._live[said.slot]
        self._tell(told)

    def _pick(self, free: int) -> bool:
        """Take the next requests from the queue: as many as have slots, and are read quickly."""
        tokens = 0
        with self._lock:
            for job in self._waiting.values():
                tokens += len(job.ask.prompt)
                if len(self._picked) == free or (self._picked and tokens > READ_TOKENS):
                    break
                self._picked.append(job)
            for job in self._picked:
                del self._waiting[id(job)]
        return bool(self._picked)

    def _admitted(
        self,
        table: Table,
        jobs: list[Job],
    ) -> list[tuple[Job, Said | Failure]]:
        """Each job's first token; one that cannot be admitted does not take the others along."""
        try:
            given = table.admit([job.ask for job in jobs])
        except ValueError as error:
            if len(jobs) == 1:
                return [(jobs[0], Failure(str(error), refused=True))]
            return [told for job in jobs for told in self._admitted(table, [job])]
        told: list[tuple[Job, Said | Failure]] = []
        for job, (slot, said) in zip(jobs, given, strict=True):
            if not said.end:
                job.slot = slot
                self._live[slot] = job
            told.append((job, said))
        return told

    def _do(self, order: _Order, table: Table) -> None:
        try:
            order.what(table)
        except Exception as error:  # whoever gave the order is told
            self._call(_settle, order.done, error)
        else:
            self._call(_settle, order.done, None)

    def _recovered(self, error: Exception) -> bool:
        """Tell all that were under way, and begin again with a new table, a few times."""
        with self._lock:
            under_way = [*self._live.values(), *self._picked]
            self._live.clear()
            self._picked.clear()
        self._fail(under_way, Failure(f"the engine failed ({type(error).__name__}); ask again"))
        log.error(
            spoken("The engine failed: %s"), "".join(traceback.format_tb(error.__traceback__)[-2:])
        )
        traceback.clear_frames(error.__traceback__)  # they hold the table, whose memory is needed
        now = time.monotonic()
        often = len(self._rebuilt) == REBUILDS and now - self._rebuilt[0] < REBUILD_SECONDS
        self._rebuilt.append(now)
        self._table = None
        gc.collect()
        try:
            if often:
                raise RuntimeError(f"{REBUILDS} times within {REBUILD_SECONDS:.0f} s") from error
            self._table = self._open()
            for bring in self._adapters.values():
                bring(self._table)
        except Exception:  # nothing is left that could answer; /health says so
            log.exception("The engine is dead: it could not be built again.")
            self._die()
            return False
        return True

    def _die(self) -> None:
        with self._lock:
            self._dead = True
            left = list(self._waiting.values())
            self._waiting.clear()
        self._fail(left, Failure("the engine is dead"))
        self._refuse_orders()

    def _refuse_orders(self) -> None:
        """Once no turn will come that could do them."""
        with self._lock:
            orders, self._orders = self._orders, []
        for order in orders:
            self._call(_settle, order.done, Closed(self.state))

    def _fail(self, jobs: Sequence[Job], failure: Failure) -> None:
        self._tell([(job, failure) for job in jobs])

    def _tell(self, told: list[tuple[Job, Said | Failure]]) -> None:
        if told:
            self._call(_deliver, told)

    def _call(self, what: Callable[..., None], *about: object) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(what, *about)


def _deliver(told: list[tuple[Job, Said | Failure]]) -> None:
    """On the event loop: one call for all that a turn has said."""
    for job, event in told:
        if not job.cancelled:
            job.events.put_nowait(event)


def _settle(done: asyncio.Future[None], error: Exception | None) -> None:
    if done.done():
        return
    if error is None:
        done.set_result(None)
    else:
        done.set_exception(error)
