"""`python -m suretune`, and the command `suretune`."""

from __future__ import annotations

import atexit
import ctypes
import os
import sys
import threading
from contextlib import suppress
from typing import NoReturn

try:
    from suretune.cli import main
    from suretune.cli.interrupts import hear_what_is_dropped
except KeyboardInterrupt:  # before there is anything to be ended
    raise SystemExit(130) from None


def run(*, own: bool = True) -> NoReturn:
    """The command; this process ends with its exit status.

    Where it has woken a GPU it ends as soon as all that waits for its end is done (other threads,
    exit handlers, what is still to be printed): to take the interpreter, its libraries and the
    GPU's driver apart as well takes a second and a half more (H200), for nothing. `own`: nothing
    but this command lives in the process; else it is left to whoever else does.
    """
    if own:
        hear_what_is_dropped()
    status = main()
    torch = sys.modules.get("torch")
    if own and torch is not None and torch.cuda.is_initialized():
        with suppress(KeyboardInterrupt):  # who cannot wait for the threads has the status still
            threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        with suppress(OSError):  # where it cannot be said, let the interpreter say that
            sys.stdout.flush()
            sys.stderr.flush()
            ctypes.CDLL(None).fflush(None)  # what libraries in C have printed
            os._exit(status)
    raise SystemExit(status)


if __name__ == "__main__":
    # Amid another program (runpy, a profiler, a notebook's %run -m) that one's name stands there.
    spec = sys.modules["__main__"].__spec__
    run(own=spec is not None and spec.name == "suretune.__main__")
