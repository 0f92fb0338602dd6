"""A process with one table of slots on a device of its own, for a server that has several.

    python -m suretune.deploy.engine_process FD NUMBER      started by `suretune serve --num_gpus N`

It does what it is told, call by call, and decides nothing. It ends with the server, whatever ended
that; signals are the server's, which all in a terminal, or in a pod, hear.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from contextlib import suppress
from json import JSONDecodeError
from multiprocessing.connection import Connection
from typing import Any

import torch
from safetensors import SafetensorError

from suretune.because import in_words
from suretune.data.base import need_same_base
from suretune.deploy.held import Held, Hold, hold, no_room
from suretune.deploy.told import Answer, Call, Raised, Refused, shortened
from suretune.model.device import out_of_memory, ran_out
from suretune.refusal import Refusal

CALLS = ("admit", "step", "drop", "load", "unload")
PLAIN = (ValueError, KeyError, TypeError, RuntimeError, SafetensorError)  # made of their words


def main() -> int:
    """Load what is told, open the slots, and answer calls until nobody is there to hear."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    server = Connection(int(sys.argv[1]))
    with suppress(EOFError, OSError):  # the server is gone, and needs nothing any more
        held = _loaded(server, server.recv())
        if held is not None:
            _answer(server, held)
    return 0


def _loaded(server: Connection, asked: Hold) -> Held | None:
    """The base in memory, with how many slots there is room for told; None if it was refused."""
    if asked.sharing > 1 and "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, torch.get_num_threads() // asked.sharing))
    try:
        # It may be started again, days later.
        need_same_base(asked.base, asked.fingerprint, sys.argv[2])
        held = hold(asked)
    except Refusal as refusal:
        server.send(Refused(refusal.facts))
        return None
    except (RuntimeError, MemoryError) as error:
        if not ran_out(error):
            raise
        found = in_words(out_of_memory(error))
        server.send(Refused(no_room(asked.rows or 0, asked.room, found)))
        return None
    server.send(held.rows)
    return held


def _answer(server: Connection, held: Held) -> None:
    """Slots, then a call and its answer, again and again."""
    try:
        table = held.table(server.recv())
    except (RuntimeError, MemoryError) as error:
        server.send(_raised(error, 0))
        return
    server.send(Answer(None, table.free))
    while True:
        call: Call = server.recv()
        if call.name not in CALLS:
            raise ValueError(f"{call.name} is no call of a table")
        try:
            made: Any = getattr(table, call.name)(*call.about)
        except Exception as error:  # whoever called decides what it means
            server.send(_raised(error, table.free))
        else:
            made = shortened(made) if call.name == "step" else made
            server.send(Answer(made, table.free))


def _raised(error: Exception, free: int) -> Raised:
    """As it can be sent: of its own kind where that is made of words, and whence it came."""
    whence = "".join(traceback.format_tb(error.__traceback__)[-2:])
    if isinstance(error, OSError) and error.errno is not None:
        return Raised(OSError(error.errno, error.strerror, error.filename), whence, free)
    if isinstance(error, (JSONDecodeError, OSError)):
        return Raised(ValueError(str(error)), whence, free)
    if type(error) in PLAIN:
        return Raised(type(error)(*map(str, error.args)), whence, free)
    kind = ValueError if isinstance(error, ValueError) else RuntimeError
    return Raised(kind(f"{type(error).__name__}: {error}"), whence, free)


def _end_with_parent() -> None:
    while os.read(0, 1):  # not by sys.stdin, whose lock would be held at the end
        pass
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
