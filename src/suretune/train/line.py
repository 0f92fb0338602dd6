"""The line between the process that leads and one that follows: messages, and a beat a second.

Whoever ends is missed at once: the system closes its end. Whoever hangs is missed because it beats
no more. A beat comes from a thread of its own, so a process that computes for minutes still beats.
"""

from __future__ import annotations

import os
import signal
import socket
import struct
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from multiprocessing.connection import Connection, answer_challenge, deliver_challenge
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from suretune import __version__
from suretune.facts import SetupFacts
from suretune.types import Text

BEAT = 1.0  # seconds from one to the next
SILENT = 4.0  # seconds without one after which a process that stands still on this machine is lost
FAR = 30.0  # the same of a process on another machine, or of which the system does not say
HELD = 120.0  # of one that runs: a library may keep the interpreter to itself while it loads
HANDSHAKE = 10  # seconds for a stranger to prove that it is none
LIBRARIES = ("torch", "transformers", "peft")
STILL = frozenset("TtZX")  # of /proc: stopped, traced, a zombie, dead


@dataclass(frozen=True, slots=True)
class Who:
    """A process of the crew, as it says of itself."""

    rank: int
    pid: int
    born: str  # when it began, by its system: another process of the same number is not it
    host: str
    boot: str  # which machine that is, whatever it is called
    device: str = ""
    versions: str = ""  # of what decides how it computes

    def __str__(self) -> str:
        return f"{self.rank} ({self.host}, pid {self.pid})"


def myself(rank: int, device: str = "") -> Who:
    """This process."""
    pid = os.getpid()
    return Who(
        rank,
        pid,
        born=_stat(pid)[1],
        host=socket.gethostname(),
        boot=_boot(),
        device=device,
        versions=_versions(),
    )


class Beat:
    """Somebody is there."""


@dataclass(frozen=True, slots=True)
class Bye:
    """The crew is let go."""


class Line:
    """One connection, read by a thread; `inbox` has what came, and None once nothing comes."""

    def __init__(self, connection: Connection, peer: Who) -> None:
        self.peer = peer
        self.inbox: SimpleQueue[Any] = SimpleQueue()
        self.heard = time.monotonic()
        self.gone = False
        self.parted = False  # Bye was said, by either
        self.failed: tuple[float, SetupFacts] | None = None  # when it said that it cannot go on
        self._connection = connection
        self._sending = threading.Lock()
        threading.Thread(target=self._read, daemon=True, name=f"line-{peer.rank}").start()

    def send(self, message: object) -> None:
        """OSError where the other end is gone."""
        with self._sending:
            self._connection.send(message)

    def beat(self) -> None:
        """Say that this process is there, unless it is saying something anyway."""
        if self._sending.acquire(blocking=False):
            with suppress(OSError):
                self._connection.send(Beat())
            self._sending.release()

    def part(self) -> None:
        """Say Bye, if that can be said."""
        self.parted = True
        if self._sending.acquire(timeout=BEAT):
            with suppress(OSError):
                self._connection.send(Bye())
            self._sending.release()

    def cut(self) -> None:
        """End it: whoever reads or writes here is woken."""
        with suppress(OSError), socket.socket(fileno=os.dup(self._connection.fileno())) as end:
            end.shutdown(socket.SHUT_RDWR)

    def hear(self, seconds: float) -> Any:
        """The next message; None where none comes any more; Empty after so many seconds."""
        return self.inbox.get(timeout=seconds)

    def unheard(self, now: float, seconds: float) -> bool:
        """Whether it said so long ago that it cannot go on, and this process waits for it in a
        collective."""
        return self.failed is not None and now - self.failed[0] > seconds

    def silent(self, now: float) -> bool:
        """Whether it has been still for longer than a process that is there can be."""
        still = now - self.heard
        if still <= SILENT:
            return False
        if self.peer.boot != _boot():
            return still > FAR
        state, born = _stat(self.peer.pid)
        if born != self.peer.born:
            return True
        return state in STILL or still > (HELD if state else FAR)

    def kill(self) -> bool:
        """End the process at the other end if it is on this machine, whatever it is doing."""
        here = self.peer.boot == _boot() and _stat(self.peer.pid)[1] == self.peer.born
        if here and self.peer.born:
            with suppress(OSError):
                os.kill(self.peer.pid, 9)
        return here

    def _read(self) -> None:
        while True:
            try:
                message = self._connection.recv()
            except Exception:  # closed, or in words that this version cannot read
                self.gone = True
                self.inbox.put(None)
                return
            self.heard = time.monotonic()
            if isinstance(message, Bye):
                self.parted = True
            if isinstance(facts := getattr(message, "facts", None), SetupFacts):
                self.failed = self.heard, facts
            if not isinstance(message, Beat):
                self.inbox.put(message)


def meet(end: socket.socket, key: bytes, me: Who, *, calls: bool) -> Line:
    """A line over this socket, once both ends have proven that they know the key.

    `calls`: this is the end that connected. OSError, EOFError or an AuthenticationError of
    multiprocessing where the other end is a stranger.
    """
    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    _bounded(end, HANDSHAKE)
    connection = Connection(end.detach())
    try:
        proofs = (answer_challenge, deliver_challenge)
        for prove in proofs if calls else proofs[::-1]:
            prove(connection, key)
        connection.send(me)
        peer = connection.recv()
        if not isinstance(peer, Who):
            raise EOFError("no process of the crew")
        with socket.socket(fileno=os.dup(connection.fileno())) as again:
            _bounded(again, 0)
    except BaseException:
        connection.close()
        raise
    return Line(connection, peer)


def stands_still(pid: int) -> bool:
    """Whether a process of this machine is stopped, or has ended and nobody has asked how."""
    return _stat(pid)[0] in STILL


def how_it_ended(status: int) -> Text:
    """The exit status of a process that is gone, in words."""
    if status >= 0:
        return Text(f"ended with status {status}", f"以退出码 {status} 结束")
    name = signal.Signals(-status).name
    more = Text("", "")
    if name == "SIGKILL":
        more = Text(
            "; the system does that where memory runs out",
            "；内存不足时系统会这样做",
        )
    return Text(f"ended by {name}{more.en}", f"被 {name} 结束{more.zh}")


def _bounded(end: socket.socket, seconds: int) -> None:
    """How long a read or a write may take; 0: as long as it takes."""
    end.setblocking(True)
    for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
        end.setsockopt(socket.SOL_SOCKET, option, struct.pack("ll", seconds, 0))


def _stat(pid: int) -> tuple[str, str]:
    """(state, when it began) of a process of this machine; ("", "") where the system does not
    say."""
    try:
        words = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
        return words[0], words[19]
    except (OSError, IndexError):
        return "", ""


@cache
def _versions() -> str:
    """Of suretune and the libraries that compute with it."""
    others = (f"{name} {version(name)}" for name in LIBRARIES)
    return ", ".join((f"suretune {__version__}", *others))  # it may run from its source


@cache
def _boot() -> str:
    """Which machine this is: an id of its last start, beside the namespace that pids belong to."""
    parts = []
    with suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip())
    with suppress(OSError):
        parts.append(os.readlink("/proc/self/ns/pid"))
    return " ".join(parts) or socket.gethostname()


__all__ = [
    "BEAT",
    "Beat",
    "Bye",
    "Empty",
    "Line",
    "Who",
    "how_it_ended",
    "meet",
    "myself",
    "stands_still",
]
