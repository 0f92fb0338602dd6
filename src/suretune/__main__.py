"""`python -m suretune`, and the command `suretune`."""

from __future__ import annotations

import atexit
import os
import sys
import threading
from contextlib import suppress
from typing import NoReturn

from suretune.cli import main


def run() -> NoReturn:
    """The command; this process ends with its exit status.

    Where it has woken a GPU it ends as soon as all that waits for its end is done (other threads,
    exit handlers, what is still to be printed): to take the interpreter, its libraries and the
    GPU's driver apart as well takes a second and a half more (H200), for nothing.
    """
    status = main()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        with suppress(OSError):  # where it cannot be said, let the interpreter say that
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
    raise SystemExit(status)


if __name__ == "__main__":
    run()
