"""How the processes of a run come together: started here, or by torchrun."""

from __future__ import annotations

import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from multiprocessing import AuthenticationError
from typing import Any

from suretune.facts import SetupFacts
from suretune.refusal import Refusal
from suretune.train.line import BEAT, Line, Who, meet, myself
from suretune.train.place import CALLED, KEY, VISIBLE, Place, here, visible
from suretune.train.world import (
    AGENT,
    END,
    HERE,
    JOIN,
    LetGo,
    Lost,
    Ranks,
    facts_of_loss,
    make_store,
)
from suretune.types import Text
from suretune.words import say

ADDRESS = "suretune/line"
NOBODY = "-"  # in its place, where the first process ends without having called the others
HEARD = "suretune/heard"  # how many have read that
LATE = 120.0  # seconds that they may take to come and read it: without it they wait for JOIN
SILENT = 5.0  # of these: then it is said why this process does not end
FOLLOWER = ("-m", "suretune.train.follower")


def start(size: int, env: Mapping[str, str], *, gpus: bool) -> Ranks:
    """Start `size` - 1 followers on this machine, and lead. Raises Lost where one does not come."""
    place = Place(0, size, 0, size, {"MASTER_ADDR": HERE, "MASTER_PORT": "0"})
    store, port = make_store(place)
    key = secrets.token_hex(32)
    children = []
    for rank in range(1, size):
        told = {"RANK": str(rank), "WORLD_SIZE": str(size), "LOCAL_RANK": str(rank)}
        told |= {"MASTER_ADDR": HERE, "MASTER_PORT": str(port), KEY: key}
        if gpus:
            told[VISIBLE] = visible(env, rank)
        children.append(
            subprocess.Popen(
                [sys.executable, *FOLLOWER],
                env={**env, **told},
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
            )
        )
    return _lead(place, store, key.encode(), children)


def join(place: Place, *, device: str = "", seconds: float = JOIN) -> Ranks:
    """Take the place that torchrun, or `start`, gave this process. Raises Lost, or LetGo where
    there is nothing to do together.

    Who leads waits until all have come; who follows until there is one who leads.
    """
    store, _ = make_store(place, seconds=seconds)
    if place.leads:
        return _lead(place, store, secrets.token_hex(32).encode(), ())
    told = store.get(ADDRESS).decode()
    if told == NOBODY:
        store.add(HEARD, 1)
        raise LetGo
    host, port, key = told.rsplit(" ", 2)
    key = (place.environment or {}).get(KEY) or key
    line = meet(
        socket.create_connection((host, int(port)), timeout=seconds),
        key.encode(),
        myself(place.rank, device),
        calls=True,
    )
    return Ranks(place, [line], store)


def _lead(
    place: Place,
    store: Any,
    key: bytes,
    children: Sequence[subprocess.Popen[bytes]],
) -> Ranks:
    """Listen until all followers have come."""
    host = (place.environment or {})["MASTER_ADDR"]
    try:
        door = socket.create_server((host, 0))
    except OSError:  # the address by which others reach this machine is none of its own
        door = socket.create_server(("", 0))
    with door:
        door.settimeout(BEAT)
        shown = "-" if children else key.decode()  # theirs came with their environment
        store.set(ADDRESS, f"{host} {door.getsockname()[1]} {shown}")
        CALLED.set()
        lines: dict[int, Line] = {}
        me, until = myself(0), time.monotonic() + JOIN
        try:
            while len(lines) < place.size - 1:
                _missing(children, place.size, lines, time.monotonic() > until)
                with suppress(TimeoutError, AuthenticationError, EOFError, OSError):
                    line = meet(door.accept()[0], key, me, calls=False)
                    lines[line.peer.rank] = line
                    _same_versions(me, line.peer)
        except BaseException:
            for child in children:
                child.kill()
            raise
    return Ranks(place, [lines[rank] for rank in sorted(lines)], store, children)


def let_go() -> None:
    """Tell those who wait for this process that it ends, and has not called them."""
    place = here()
    store, _ = make_store(place, seconds=END)
    store.set(ADDRESS, NOBODY)
    if (place.environment or {}).get(AGENT) != "True":  # the store ends with this process
        _wait_until_heard(store, place.size - 1)


def _wait_until_heard(store: Any, others: int) -> None:
    begun, told = time.monotonic(), False
    while (heard := store.add(HEARD, 0)) < others and time.monotonic() < begun + LATE:
        if not told and time.monotonic() > begun + SILENT:
            told = True
            waits = Text(
                f"Waiting for {others - heard} of {others + 1} processes, at most {LATE:.0f} s,"
                " to tell them that there is nothing to do. Ctrl-C ends this.",
                f"还有 {others - heard} 个进程（共 {others + 1} 个）没有来；最多等 {LATE:.0f} 秒，"
                "好告诉它们无事可做。按 Ctrl-C 结束等待。",
            )
            print(say(waits), file=sys.stderr)
        time.sleep(BEAT / 10)


def _same_versions(first: Who, other: Who) -> None:
    """Refusal where the processes would not compute the same."""
    if other.versions != first.versions:
        raise Refusal(
            SetupFacts(
                "processes-differ",
                str(other),
                found=Text(other.versions, other.versions),
                nearest=first.versions,
            )
        )


def _missing(
    children: Sequence[subprocess.Popen[bytes]],
    size: int,
    lines: Mapping[int, Line],
    late: bool,
) -> None:
    """Lost, where a process ended before it came, or does not come."""
    for rank, child in enumerate(children, 1):
        if child.poll() is not None and rank not in lines:
            why = f"{child.returncode}"
            ended = Text(f"ended with status {why} at its start", f"刚启动就以退出码 {why} 结束")
            raise Lost(
                facts_of_loss(size, Who(rank, child.pid, "", socket.gethostname(), ""), ended)
            )
    if late:
        rank = min(set(range(1, size)) - set(lines))
        never = Text(f"it did not come within {JOIN:.0f} s", f"{JOIN:.0f} 秒内没有出现")
        raise Lost(facts_of_loss(size, Who(rank, 0, "", "?", ""), never))
