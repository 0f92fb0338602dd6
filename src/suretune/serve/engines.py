"""Several engines that are one to whoever asks: each has a table of its own, and a thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

from suretune.model.slots import Ask
from suretune.serve.desk import Closed, Entrance, Job, Table
from suretune.serve.engine import Engine


class Source(Protocol):
    """Where an engine's table comes from, also when it has to be another one."""

    def __call__(self) -> Table:
        """Open it; what an earlier call gave is no longer used."""
        ...

    def let_go(self) -> None:
        """It is not needed any more; from any thread, and a call of the table then ends."""
        ...

    def tell(self, missed: Callable[[Table], None]) -> None:
        """Who hears, on any thread, that a table is gone."""
        ...


class Engines(Entrance):
    """Gives each request to the engine with the fewest under way; where several have, in turn.

    What one engine can no longer answer, and nobody has heard anything of, another one answers.
    """

    def __init__(self, sources: Sequence[Source], max_queue: int) -> None:
        self._taken = 0
        self._engines = tuple(
            Engine(source, 0, elsewhere=self._taken_over, let_go=source.let_go)
            for source in sources
        )
        for source, engine in zip(sources, self._engines, strict=True):
            source.tell(engine.miss)
        self._most = max_queue
        self._turn = 0
        self._leaving: set[str] = set()  # adapters whose places are being given free
        self._draining = False

    def start(self) -> None:
        """Open all tables; call within the event loop that shall hear the answers."""
        for engine in self._engines:
            engine.start()

    @property
    def members(self) -> tuple[Engine, ...]:
        """Each by itself."""
        return self._engines

    @property
    def running(self) -> int:
        """Slots in use."""
        return sum(engine.running for engine in self._engines)

    @property
    def waiting(self) -> int:
        """Requests that have no slot yet."""
        return sum(engine.waiting for engine in self._engines)

    @property
    def adapters(self) -> tuple[str, ...]:
        """Names of those that any engine has loaded."""
        return tuple(dict.fromkeys(name for one in self._living() for name in one.adapters))

    @property
    def state(self) -> str:
        """ready, draining or dead; dead only when all are."""
        if not self._living():
            return "dead"
        return "draining" if self._draining else "ready"

    @property
    def places(self) -> int:
        """Requests that can be under way at once: every slot there is, and one queue."""
        return sum(engine.rows for engine in self._living()) + self._most

    def submit(self, ask: Ask) -> Job:
        """Queue a request where the fewest are; `Closed` where none is answered any more."""
        job = Job(ask)
        for engine in self._choice():
            if engine.adopt(job):
                self._turn = (self._engines.index(engine) + 1) % len(self._engines)
                return job
        raise Closed(self.state)

    def cancel(self, job: Job) -> None:
        """Nobody waits for this answer any more."""
        for engine in self._engines:  # it may be on its way from one to another
            engine.cancel(job)

    async def load(self, name: str, bring: Callable[[Table], None]) -> None:
        """An adapter on all of them or on none; what the first that cannot says is raised."""
        failed = await self._all(lambda engine: engine.load(name, bring))
        if failed is None:
            return
        await self._all(lambda engine: engine.unload(name), of=name)
        raise failed

    async def unload(self, name: str) -> None:
        """Take an adapter from all of them, once no request uses it."""
        self._leaving.add(name)
        try:
            failed = await self._all(lambda engine: engine.unload(name), of=name)
        finally:
            self._leaving.discard(name)
        if failed is not None:
            raise failed

    async def _all(
        self,
        what: Callable[[Engine], Coroutine[Any, Any, None]],
        of: str | None = None,
    ) -> BaseException | None:
        """Let every engine that lives do it; the first error of one that lives on.

        `of`: only those that have this adapter.
        """
        asked = [one for one in self._living() if of is None or of in one.adapters]
        told = await asyncio.gather(*map(what, asked), return_exceptions=True)
        if not self._living():
            return Closed(self.state)
        pairs = zip(asked, told, strict=True)
        return next((e for one, e in pairs if e is not None and one.condition != "dead"), None)

    def drain(self) -> None:
        """Take no more; what is under way goes on."""
        self._draining = True
        for engine in self._engines:
            engine.drain()

    def close(self, why: str) -> int:
        """End all of them now. How many requests were cut off."""
        self.drain()
        with ThreadPoolExecutor(len(self._engines)) as together:
            list(together.map(lambda engine: engine.close(why), self._engines))
        return self.under_way

    def _living(self) -> list[Engine]:
        return [engine for engine in self._engines if engine.condition != "dead"]

    def _choice(self) -> list[Engine]:
        """Those that answer now first, and of these who has the fewest; else in turn."""
        in_turn = self._engines[self._turn :] + self._engines[: self._turn]
        return sorted(in_turn, key=lambda engine: (engine.condition != "ready", engine.held))

    def _taken_over(self, jobs: Sequence[Job]) -> list[Job]:
        """On a failing engine's thread: which of its requests the others answer."""
        taken = []
        for job in jobs:
            name = job.ask.adapter
            able = [
                engine
                for engine in self._choice()
                if engine.condition == "ready"
                and (name is None or (name in engine.adapters and name not in self._leaving))
            ]
            if able and able[0].adopt(job):
                taken.append(job)
        return taken
