"""Tables of slots in processes of their own, one a GPU, as a server has them.

A table that failed is never used again: a device that did is well only in a new process. A process
that ends is missed at once, one that is stopped within seconds, also where nobody asks it anything.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from suretune.deploy.held import Hold
from suretune.deploy.told import Answer, Call, Raised, Refused, in_full
from suretune.facts import SetupFacts
from suretune.model.slots import Ask, Said
from suretune.refusal import Refusal
from suretune.serve.desk import Gone, Table
from suretune.serve.engines import Source
from suretune.train.line import BEAT, how_it_ended, stands_still
from suretune.train.place import VISIBLE, visible
from suretune.types import Text
from suretune.words import language, say

PROCESS = ("-m", "suretune.deploy.engine_process")
STILL = 4  # looks, one a BEAT, at a process that is stopped
STOOD = Text("it stood still", "它停住不动")
NEVER = Text("it computed and was never done", "它一直没有算完")
END = 10.0  # seconds for a process that was killed to be gone
HUNG = 900  # looks during one call; a base may be large, and its disk slow


class Far:
    """One process and the table in it, driven by one thread; `Gone` once it has ended."""

    def __init__(
        self, number: int, size: int, asked: Hold, missed: Callable[[Table], None]
    ) -> None:
        self.number, self.size, self.rows, self.free = number, size, 0, 0
        self._missed = missed
        self._let_go = False
        self._calls = self._open = 0  # so many; the number of the one that is under way
        self._why = ""
        self._ended = threading.Event()
        ours, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, *PROCESS, str(theirs.fileno()), str(number)],
                env=_environment(number, asked.device),
                stdin=subprocess.PIPE,  # closed with this process, whatever ends it
                stdout=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
            )
        self._end = ours.dup()  # of the same line: to wake who waits there
        self._line = Connection(ours.detach())
        threading.Thread(target=self._watch, daemon=True, name=f"engine-{number}").start()
        with suppress(OSError):  # ended already: whoever asks is told
            self._line.send(asked)

    def room(self) -> int:
        """How many slots fit, once the base is loaded. Refusal where it is not."""
        try:
            told = self._heard()
        except Gone as gone:
            why = how_it_ended(self.process.wait())
            raise Refusal(
                SetupFacts("engine-lost", str(self.number), found=why, nearest=str(self.size))
            ) from gone
        if isinstance(told, Refused):
            raise Refusal(told.facts)
        return int(told)

    def open(self, rows: int) -> None:
        """So many slots. Raises what making them raises."""
        self._said(rows)
        self.rows = rows

    def admit(self, asks: Sequence[Ask]) -> list[tuple[int, Said]]:
        """See `Table.admit`."""
        made: list[tuple[int, Said]] = self._said(Call("admit", (list(asks),)))
        return made

    def step(self) -> list[Said]:
        """See `Table.step`."""
        return in_full(self._said(Call("step")))

    def drop(self, slot: int) -> None:
        """See `Table.drop`."""
        self._said(Call("drop", (slot,)))

    def load(self, name: str, folder: Path) -> object:
        """See `Table.load`."""
        return self._said(Call("load", (name, folder)))

    def unload(self, name: str) -> None:
        """See `Table.unload`."""
        self._said(Call("unload", (name,)))

    def let_go(self) -> None:
        """End it now; a call that waits is over with that."""
        self._let_go = True
        self.process.kill()  # there is nothing in it that anybody needs
        self._cut()
        with suppress(subprocess.TimeoutExpired):  # it may hang in its device's driver
            self.process.wait(END)

    def _said(self, message: object) -> Any:
        """A call and its answer."""
        try:
            self._line.send(message)
        except OSError as error:
            raise Gone(self._how()) from error
        told = self._heard()
        if isinstance(told, Raised):
            self.free = told.free
            told.error.__notes__ = [told.whence]
            raise told.error
        if not isinstance(told, Answer):
            raise Gone(f"{type(told).__name__} is no answer")
        self.free = told.free
        return told.made

    def _heard(self) -> Any:
        self._calls += 1
        self._open = self._calls
        try:
            return self._line.recv()
        except (EOFError, OSError) as error:
            raise Gone(self._how()) from error
        finally:
            self._open = 0

    def _watch(self) -> None:
        """Until the process ends: a stopped one, and one whose call never ends, is ended."""
        still = seen = looks = 0
        while self.process.poll() is None:
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(BEAT)
                break
            still = still + 1 if stands_still(self.process.pid) else 0
            looks = looks + 1 if seen and seen == self._open else 0
            seen = self._open
            if still >= STILL or looks > HUNG:
                self._why = say(STOOD if still >= STILL else NEVER)
                self.process.kill()
                break  # it may hang in its device's driver: nobody waits for that
        self._why = self._why or say(how_it_ended(self.process.wait()))
        self._ended.set()
        self._cut()
        if not self._let_go:
            self._missed(self)

    def _how(self) -> str:
        """How it ended, as the watch has it in a moment."""
        self._ended.wait(2 * BEAT)
        return self._why

    def _cut(self) -> None:
        with suppress(OSError):
            self._end.shutdown(socket.SHUT_RDWR)


class FarSource:
    """A process with a table, and another one whenever that is needed."""

    def __init__(self, number: int, size: int, asked: Hold) -> None:
        self._number, self._size, self._asked = number, size, asked
        self._tell: Callable[[Table], None] = lambda table: None
        self._changing = threading.Lock()
        self._over = self._used = False
        self.begin()

    def begin(self) -> None:
        """Start the process, which loads while others do. `Gone` where none is wanted any more."""
        with self._changing:
            if self._over:
                raise Gone("the server ends")
            self.far = Far(
                self._number,
                self._size,
                self._asked,
                lambda table: self._tell(table),
            )

    def settle(self, rows: int) -> None:
        """So many slots it shall have, now and later."""
        self._asked = replace(self._asked, rows=rows)

    def __call__(self) -> Table:
        """Open the slots of the process that waits for it; later those of a new process."""
        if self._used:
            self.far.let_go()
            self.begin()
            self.far.room()
        self._used = True
        self.far.open(self._asked.rows or 1)
        return self.far

    def let_go(self) -> None:
        """See `Source.let_go`."""
        with self._changing:
            self._over = True
            self.far.let_go()

    def tell(self, missed: Callable[[Table], None]) -> None:
        """See `Source.tell`."""
        self._tell = missed


@dataclass(frozen=True, slots=True)
class Apart:
    """Bases in memory, each in a process of its own; all with as many slots as the smallest."""

    asked: Hold
    sources: Sequence[FarSource]
    rows: int

    def close(self) -> None:
        """End the processes that are still there."""
        let_go(self.sources)


def begin_all(asked: Hold, count: int) -> Apart:
    """So many processes, which load at once. Refusal where one does not come that far."""
    sources: list[FarSource] = []
    try:
        for number in range(count):
            sources.append(FarSource(number, count, asked))
        rows = min(source.far.room() for source in sources)
    except BaseException:
        let_go(sources)
        raise
    for source in sources:
        source.settle(rows)
    return Apart(asked, sources, rows)


def let_go(sources: Iterable[Source]) -> None:
    """All of them."""
    for source in sources:
        source.let_go()


def _environment(number: int, device: str) -> dict[str, str]:
    """Of the GPUs that may be seen, a process sees one, and what it computes on is its first."""
    told: dict[str, str] = {"SURETUNE_LANG": language()}
    if device == "cuda":
        told[VISIBLE] = visible(os.environ, number)
    return {**os.environ, **told}
