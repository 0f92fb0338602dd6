"""One process a folder: the lock that lies there, and whether somebody holds it."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from suretune.because import in_words
from suretune.facts import SetupFacts
from suretune.record.journal import Journal
from suretune.types import Text

LOCK = "run.lock"
LOOKS = (0.0, 0.05, 0.2)  # seconds before each try: who only looks holds the lock for a moment


def is_busy(run: Path) -> bool:
    """Whether a process works on a run now."""
    try:
        with (run / LOCK).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # no lock is there, or none that we may read; or the file system has none
        return False
    return False


def is_taken(folder: Path) -> SetupFacts:
    """The facts for a folder that another process writes to."""
    found = Text("another suretune writes here", "另一个 suretune 正在写这里")
    return _not_writable(folder, found, "busy")


def _not_writable(folder: Path, found: str | Text, spare: str) -> SetupFacts:
    return SetupFacts(
        "output-not-writable",
        str(folder),
        found,
        spare=spare,
    )


@contextmanager
def only_writer(lock: Path, journal: Journal) -> Iterator[None]:
    """One process a folder; the lock that lies there dies with its holder."""
    try:
        file = lock.open("w")
    except OSError as error:
        about = _not_writable(lock.parent, in_words(error), "its-own")
        raise journal.stop(about) from error
    with file:
        try:
            held = _is_held(file)
        except OSError as error:
            about = _not_writable(lock.parent, in_words(error), "no-locks")
            raise journal.stop(about) from error
        if not held:
            raise journal.stop(is_taken(lock.parent))
        yield


def _is_held(file: IO[str]) -> bool:
    """Whether the lock is ours now."""
    for seconds in LOOKS:
        time.sleep(seconds)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        return True
    return False
