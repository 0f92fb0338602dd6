"""Several processes that compute one update. The only file that knows torch.distributed, beside
what of it computes with weights in shards (`shards.py`).

One leads: it reads, plans, decides, asks, judges and writes, all that a run of one process does.
The others follow: they hold the same base and adapters, are told what to compute, and know nothing
of the run. So there is nothing that two processes could decide differently; what they share is a
sum (the gradient) and a copy (the adapters' values).

No process waits for ever for one that is gone: a thread listens to beats (`line.py`), and nobody
blocks in a collective, which is asked for and then looked after.
"""

from __future__ import annotations

import math
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any, Protocol, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from suretune.facts import SetupFacts
from suretune.model.device import ran_out
from suretune.refusal import Refusal
from suretune.train.line import BEAT, Empty, Line, Who, how_it_ended
from suretune.train.place import Place
from suretune.types import Text

T = TypeVar("T")
JOIN = 1800.0  # seconds for all processes to come: each imports torch, maybe from a slow disk
WORK = 3600.0  # for one piece of work: a process that beats, and is never done, hangs on its device
GRACE = 2.0  # from a loss until the process is ended where it stands
HERE = "127.0.0.1"
AGENT = "TORCHELASTIC_USE_AGENT_STORE"  # "True" where torchrun keeps the store
END = 10.0  # for a follower to end by itself
stores: Any = dist  # whose stores torch has without types
distributed: Any = dist.distributed_c10d


def make_store(place: Place, *, seconds: float = JOIN) -> tuple[Any, int]:
    """Where the processes find each other, and its port. It lies with whoever leads, or with
    torchrun; port 0: any that is free."""
    told = place.environment or {}
    here = told["MASTER_ADDR"] == HERE and place.leads
    agent = told.get(AGENT) == "True"
    store = stores.TCPStore(
        told["MASTER_ADDR"],
        int(told["MASTER_PORT"]),
        place.size,
        is_master=place.leads and not agent,
        timeout=timedelta(seconds=seconds),
        wait_for_workers=False,
        # Else torch listens to the whole network.
        master_listen_fd=_listening(int(told["MASTER_PORT"])) if here and not agent else None,
    )
    again = told.get("TORCHELASTIC_RESTART_COUNT", "0")
    return stores.PrefixStore(again, store), store.port


def _listening(port: int) -> int:
    """A socket that only this machine reaches; port 0: any that is free."""
    return socket.create_server((HERE, port)).detach()


class World(Protocol):
    """The processes of a run, seen by one of them."""

    rank: int
    size: int

    def sum_(self, tensor: Tensor) -> None:
        """Of all processes' tensors, into the leader's; what followers have then is used up."""

    def share_(self, tensor: Tensor) -> None:
        """The leader's values into everybody's tensor."""

    def gather(self, piece: Tensor) -> Tensor:
        """Everybody's pieces (n, ...), behind each other (size * n, ...), at the leader; what
        followers get is their own."""

    def scatter_(self, piece: Tensor, whole: Tensor | None) -> None:
        """Of the leader's `whole` (size * n, ...) to each its piece (n, ...)."""

    def together(self, call: Callable[[], T]) -> T:
        """What `call` returns, which everybody calls and in which all meet. Raises Lost where it
        fails because somebody is gone."""

    def tell(self, messages: Sequence[object]) -> None:
        """One message for each follower, in the order of ranks. Raises Lost."""

    def answers(self, seconds: float = WORK) -> list[Any]:
        """One answer of each, in that order. Raises Lost where one is gone, or says nothing."""

    def open(self, device: torch.device) -> None:
        """All meet, so that tensors on this device can be summed; everybody calls it. Raises Lost.

        It is also the barrier of the crew: nobody is past it before all have come.
        """

    def close(self) -> None:
        """Let the others go."""


class Lost(Refusal):
    """A process of the crew is gone, or does not answer."""


class LetGo(Exception):
    """The leader has said Bye while this process waited for the others."""


class Alone:
    """The world of a run of one process: there is nobody to tell, and nothing to add."""

    rank, size = 0, 1

    def sum_(self, tensor: Tensor) -> None:
        """It is the sum."""

    def share_(self, tensor: Tensor) -> None:
        """Everybody has it."""

    def gather(self, piece: Tensor) -> Tensor:
        """It is the only one."""
        return piece

    def scatter_(self, piece: Tensor, whole: Tensor | None) -> None:
        """The whole is the piece."""
        if whole is not None:
            piece.copy_(whole)

    def together(self, call: Callable[[], T]) -> T:
        """There is nobody to meet."""
        return call()

    def tell(self, messages: Sequence[object]) -> None:
        """Nobody is told."""

    def answers(self, seconds: float = WORK) -> list[Any]:
        """Nobody answers."""
        return []

    def open(self, device: torch.device) -> None:
        """All are here."""

    def close(self) -> None:
        """There is nobody to let go."""


class Ranks:
    """Several processes: gloo where they compute on CPUs, NCCL where on GPUs.

    `lost`: called once, on another thread, where a process is gone and this one has not come to
    see it by itself within `GRACE` seconds; this process then ends, with `status`.
    """

    def __init__(
        self,
        place: Place,
        lines: Sequence[Line],
        store: Any,
        children: Sequence[subprocess.Popen[bytes]] = (),
    ) -> None:
        self.rank, self.size = place.rank, place.size
        self.lines = list(lines)
        self.lost: Callable[[SetupFacts], None] = lambda facts: None
        self.status = 1
        self._store = store
        self._children = list(children)
        self._missed: tuple[Who, SetupFacts] | None = None
        self._seen = False
        self._closed = threading.Event()
        self._device = torch.device("cpu")
        threading.Thread(target=self._watch, daemon=True, name="crew").start()

    def sum_(self, tensor: Tensor) -> None:
        """See `World.sum_`."""
        self._whole(lambda: dist.reduce(tensor, 0, async_op=True))

    def share_(self, tensor: Tensor) -> None:
        """See `World.share_`."""
        self._whole(lambda: dist.broadcast(tensor, 0, async_op=True))

    def gather(self, piece: Tensor) -> Tensor:
        """See `World.gather`."""
        if self.rank:
            self._whole(lambda: dist.gather(piece, None, 0, async_op=True))
            return piece
        whole = piece.new_empty((self.size * len(piece), *piece.shape[1:]))
        parts = list(torch.split(whole, len(piece)))
        self._whole(lambda: dist.gather(piece, parts, 0, async_op=True))
        return whole

    def scatter_(self, piece: Tensor, whole: Tensor | None) -> None:
        """See `World.scatter_`."""
        parts = None if whole is None else list(torch.split(whole, len(piece)))
        self._whole(lambda: dist.scatter(piece, parts, 0, async_op=True))

    def together(self, call: Callable[[], T]) -> T:
        """See `World.together`."""
        try:
            return call()
        except RuntimeError as error:
            if not ran_out(error):
                self._wait_for_loss()
            raise

    def tell(self, messages: Sequence[object]) -> None:
        """See `World.tell`."""
        for line, message in zip(self.lines, messages, strict=True):
            try:
                line.send(message)
            except OSError:
                self._await_loss(line)

    def answers(self, seconds: float = WORK) -> list[Any]:
        """See `World.answers`."""
        until = time.monotonic() + seconds
        return [self._next(line, until) for line in self.lines]

    def hear(self) -> Any:
        """What the leader says next, however long that takes. Raises Lost where it is gone."""
        return self._next(self.lines[0], math.inf)

    def open(self, device: torch.device) -> None:
        """See `World.open`."""
        self._device = device
        if device.type == "cpu" and "OMP_NUM_THREADS" not in os.environ:
            torch.set_num_threads(max(1, torch.get_num_threads() // self.size))
        self._tried(
            lambda: dist.init_process_group(
                "nccl" if device.type == "cuda" else "gloo",
                store=stores.PrefixStore("group", self._store),
                rank=self.rank,
                world_size=self.size,
                timeout=timedelta(seconds=WORK),
            )
        )
        self.sum_(torch.zeros(1, device=device))  # its memory is taken now, before a plan is made

    def close(self) -> None:
        """See `World.close`."""
        if self._closed.is_set():
            return
        self._closed.set()
        for line in self.lines:
            line.part()
        if dist.is_initialized():
            whole = self._missed is None
            ending = threading.Thread(target=_end_group, args=(whole,), daemon=True)
            ending.start()
            ending.join(END if whole else GRACE)
        until = time.monotonic() + END
        for child in self._children:
            try:
                child.wait(max(0.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        for line in self.lines:
            line.cut()

    # --- never waiting for somebody who is gone ---------------------------------------------------

    def _whole(self, begin: Callable[[], Any]) -> None:
        """A collective, from its beginning to its end."""
        until = time.monotonic() + WORK

        def run() -> None:
            work, pause = begin(), 0.0
            while not work.is_completed():
                self._look()
                if self.rank and self.lines[0].parted:
                    raise LetGo
                if time.monotonic() > until:
                    self._miss(self.lines[0].peer, _idle(WORK))
                time.sleep(pause)
                pause = min(pause + 1e-5, 1e-3)
            work.wait()

        self._tried(run)

    def _tried(self, call: Callable[[], None]) -> None:
        """What raises because somebody is gone says so in the words of a socket."""
        try:
            call()
        except RuntimeError as error:
            self._wait_for_loss()
            raise Lost(facts_of_loss(self.size, self.lines[0].peer, _words(error))) from error

    def _wait_for_loss(self) -> None:
        """Lost, if the watch comes to see in time that somebody is."""
        until = time.monotonic() + 3 * BEAT
        while time.monotonic() < until:
            self._look()
            time.sleep(BEAT / 20)

    def _look(self) -> None:
        """Lost, if somebody is."""
        if self._missed is not None:
            self._seen = True
            raise Lost(self._missed[1])

    def _next(self, line: Line, until: float) -> Any:
        while True:
            self._look()
            try:
                message = line.hear(BEAT / 5)
            except Empty:
                if time.monotonic() > until:
                    self._miss(line.peer, _idle(WORK))
                continue
            if message is None:
                self._await_loss(line)
            return message

    def _await_loss(self, line: Line) -> None:
        """The line is broken: the watch will say who it was, and why."""
        self._miss(line.peer, self._why(line))
        self._look()

    # --- the watch --------------------------------------------------------------------------------

    def _watch(self) -> None:
        """Beat, and look who does not."""
        before = time.monotonic()
        while not self._closed.wait(BEAT):
            now = time.monotonic()
            if now - before > 3 * BEAT:  # this process itself was stopped: Ctrl-Z, a laptop's lid
                for line in self.lines:
                    line.heard = now
            before = now
            for line in self.lines:
                self._look_at(line, now)
            if self._missed is not None:
                self._end(*self._missed)
                return

    def _look_at(self, line: Line, now: float) -> None:
        line.beat()
        if line.parted:
            if self.rank and not self._closed.wait(END / 2):
                os._exit(0)  # amid work that nobody waits for any more
        elif line.gone or line.unheard(now, GRACE):
            self._miss(line.peer, self._why(line))
        elif line.silent(now):
            self._miss(line.peer, _silence(now - line.heard))

    def _miss(self, who: Who, why: Text) -> None:
        if self._missed is None and not self._closed.is_set():
            said = next((line.failed for line in self.lines if line.peer is who), None)
            self._missed = who, said[1] if said else facts_of_loss(self.size, who, why)

    def _end(self, who: Who, facts: SetupFacts) -> None:
        """Nobody stays: who stands still holds the memory of a device. But first it is told: where
        one ends, torchrun ends the others."""
        for line in self.lines:
            line.cut() if line.peer is who else line.part()
        handled = self._closed.wait(GRACE) or self._seen
        if not handled:
            self.lost(facts)
        for line in self.lines:
            if line.peer is who:
                line.kill()
        for child in self._children:
            if child.pid == who.pid:
                child.kill()
        if not handled:
            os._exit(self.status)

    def _why(self, line: Line) -> Text:
        """How it ended, if it is a child of this process."""
        child = next((c for c in self._children if c.pid == line.peer.pid), None)
        status = None
        if child is not None:
            with suppress(subprocess.TimeoutExpired):
                status = child.wait(BEAT)
        if status is None:
            return Text("it has ended", "它已经结束")
        return how_it_ended(status)


def _end_group(whole: bool) -> None:
    """Out of the group, so that this process can be in another; NCCL would wait for who is gone."""
    if whole or dist.get_backend() != "nccl":
        dist.destroy_process_group()
    else:
        distributed._abort_process_group()


def facts_of_loss(size: int, who: Who, why: Text) -> SetupFacts:
    """What is said of a process that is gone, one of `size`."""
    return SetupFacts("process-lost", str(who), found=why, nearest=str(size))


def _idle(seconds: float) -> Text:
    return Text(
        f"it runs and was not done in {seconds / 60:.0f} minutes",
        f"它还在运行，但 {seconds / 60:.0f} 分钟内没有算完",
    )


def _silence(seconds: float) -> Text:
    return Text(f"no sign of life for {seconds:.0f} s", f"{seconds:.0f} 秒没有任何回应")


def _words(error: Exception) -> Text:
    told = " ".join(str(error).split())[:300]
    return Text(told, told)
