"""What training sets in the process that it runs in, and puts back after the last run."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_LOCK = threading.Lock()
_running = 0
_before: list[tuple[int, int]] = []


@contextmanager
def as_it_was() -> Iterator[None]:
    """torch's number of threads and transformers' log level: a small model on a CPU sets the
    first, loading the second. With several runs at once the level comes back after the last one;
    the number is the thread's own, and nobody else can put it back."""
    import torch

    global _running
    log = logging.getLogger("transformers")
    with _LOCK:
        if not _running:
            _before[:] = [(torch.get_num_threads(), log.level)]
        _running += 1
    try:
        yield
    finally:
        with _LOCK:
            _running -= 1
            threads, level = _before[0]
            torch.set_num_threads(threads)
            if not _running:
                _before.clear()
                log.setLevel(level)
