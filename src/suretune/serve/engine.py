"""The thread that owns the device: a bounded queue, slots, steps, cancellation, adapters.

Requests come from the event loop and what is said goes back to it, once a turn for all of them. A
turn: loads and cancellations, then admission in the order of arrival, then one step of every slot.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from suretune.model.slots import Ask, Said
from suretune.serve.desk import Closed, Entrance, Failure, Gone, Job, Table
from suretune.serve.spoken import spoken

log = logging.getLogger("suretune.serve")
READ_TOKENS = 8192  # of prompts that are read in one turn: all others wait for them
REBUILDS = 3  # in REBUILD_SECONDS; then the engine stays dead
REBUILD_SECONDS = 600.0


@dataclass(eq=False, slots=True)
class _Order:
    """Something that must happen between steps; `name` is an adapter that nobody may use then."""

    what: Callable[[Table], None]
    done: asyncio.Future[None]
    name: str | None = None


class Engine(Entrance):
    """Answers requests from one table of slots; rebuilds the table if it fails.

    `elsewhere` is offered requests that have heard nothing yet, should the table fail, and says
    which of them others answer now. `let_go` frees what `open_table` holds, and ends a call of the
    table that does not return.
    """

    def __init__(
        self,
        open_table: Callable[[], Table],
        max_queue: int,
        *,
        elsewhere: Callable[[Sequence[Job]], Sequence[Job]] = lambda jobs: (),
        let_go: Callable[[], None] = lambda: None,
    ) -> None:
        self._open, self._elsewhere, self._let_go = open_table, elsewhere, let_go
        self._table: Table | None = None
        self._missed: object = None  # the table whose process is known to be gone
        self._most = max_queue
        self._lock = threading.Condition()
        self._waiting: dict[int, Job] = {}  # by identity, in the order of arrival
        self._live: dict[int, Job] = {}  # by slot
        self._cancelled: list[Job] = []
        self._orders: list[_Order] = []
        self._adapters: dict[str, Callable[[Table], None]] = {}
        self._taken = self.rows = 0  # places; slots
        self._picked: list[Job] = []  # taken from the queue in this turn
        self._rebuilt: deque[float] = deque(maxlen=REBUILDS)
        self._closing = self._draining = self._dead = self._rebuilding = False
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
        self.rows = self._table.rows
        self._thread.start()

    @property
    def members(self) -> tuple[Engine, ...]:
        """It is the only one."""
        return (self,)

    @property
    def running(self) -> int:
        """Slots in use."""
        return len(self._live)

    @property
    def waiting(self) -> int:
        """Requests that have no slot yet."""
        return len(self._waiting)

    @property
    def held(self) -> int:
        """Requests that it was given and has not ended."""
        return len(self._waiting) + len(self._picked) + len(self._live)

    @property
    def adapters(self) -> tuple[str, ...]:
        """Names of those that are loaded."""
        return tuple(self._adapters)

    @property
    def state(self) -> str:
        """ready, draining or dead."""
        return "dead" if self._dead else "draining" if self._draining else "ready"

    @property
    def condition(self) -> str:
        """ready, rebuilding or dead."""
        return "dead" if self._dead else "rebuilding" if self._rebuilding else "ready"

    @property
    def places(self) -> int:
        """Requests that can be under way at once."""
        return self.rows + self._most

    def submit(self, ask: Ask, *, bound: bool = False) -> Job:
        """Queue a request; `Closed` where none is answered any more.

        `bound`: others are not offered it.
        """
        job = Job(ask, bound=bound)
        if not self.adopt(job):
            raise Closed(self.state)
        return job

    def adopt(self, job: Job) -> bool:
        """Queue a request that may have been another engine's; False where none is answered."""
        with self._lock:
            if self._dead or self._closing:
                return False
            job.slot = None
            if not job.cancelled:
                self._waiting[id(job)] = job
                self._lock.notify()
        return True

    def miss(self, table: Table) -> None:
        """What this table is in has ended, whether or not anybody asks; from any thread."""
        with self._lock:
            self._missed = table
            self._lock.notify()

    def cancel(self, job: Job) -> None:
        """Nobody waits for this answer any more; its slot is free before the next step."""
        with self._lock:
            job.cancelled = True
            if self._waiting.pop(id(job), None) is None and not self._dead:
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
            del self._adapters[name]  # a table that is rebuilt shall not bring it back
            table.unload(name)

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
        self._let_go()
        if self._thread.is_alive():
            self._thread.join()
        cut = self.under_way
        left = [*self._live.values(), *self._picked, *self._waiting.values()]
        self._fail(left, Failure(why))
        self._live.clear()
        self._picked.clear()
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
                if self._closing or not self._recovered(error):
                    return

    def _work(self) -> bool:
        possible = any(self._ripe(order) for order in self._orders)
        missed = self._missed is not None and self._missed is self._table
        return bool(self._live or self._waiting or self._cancelled or possible or missed)

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
        if self._missed is table:
            raise Gone("its process has ended")
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
        with self._lock:
            self._orders.remove(order)
        try:
            order.what(table)
        except Exception as error:  # whoever gave the order is told
            self._call(_settle, order.done, error)
            if isinstance(error, Gone):
                raise
        else:
            self._call(_settle, order.done, None)

    def _recovered(self, error: Exception) -> bool:
        """Tell all that were under way, and begin again with a new table, a few times."""
        self._rebuilding = True
        self._break_off(Failure(f"the engine failed ({type(error).__name__}); ask again"))
        if isinstance(error, Gone):
            log.error(spoken("An engine is gone, and is started again: %s"), error)
        else:
            frames = traceback.format_tb(error.__traceback__)[-2:]
            frames += getattr(error, "__notes__", ())  # those of another process
            log.error(spoken("The engine failed: %s"), "".join(frames))
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
            if self._closing:
                return False
            log.exception("The engine is dead: it could not be built again.")
            self._die()
            return False
        self._rebuilding = False
        log.info(spoken("The engine answers again"))
        return True

    def _break_off(self, failure: Failure) -> None:
        """End what is under way, but for what others answer now; the queue waits."""
        with self._lock:
            given = {id(job): job for job in (*self._live.values(), *self._picked)}
            unheard = [*self._picked, *self._waiting.values()]
            self._live.clear()
            self._picked.clear()
        moved = self._move(unheard)
        self._fail([job for key, job in given.items() if key not in moved], failure)

    def _move(self, unheard: Sequence[Job]) -> set[int]:
        """Which of these requests others have taken."""
        moved = {id(job) for job in self._elsewhere([job for job in unheard if not job.bound])}
        with self._lock:
            for key in moved:
                self._waiting.pop(key, None)
        return moved

    def _die(self) -> None:
        with self._lock:
            self._dead = True
            left = list(self._waiting.values())
        self._move(left)
        with self._lock:
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
