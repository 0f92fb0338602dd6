"""Trained runs that tests share: made once for a state of the source, by whoever comes first."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parent.parent
KEPT = 4  # states of the source whose runs stay; a later one pushes the oldest out,
RECENT = 2 * 3600.0  # unless it was used so many seconds ago: by a suite that is under way


def source_digest() -> str:
    """What decides how a run comes out: every file of the package, and the interpreter."""
    digest = hashlib.sha256(f"{sys.version} {sys.prefix} {ROOT}".encode())
    for path in sorted((ROOT / "src").rglob("*")):
        if path.is_file() and path.suffix != ".pyc":
            digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes())
    digest.update((ROOT / "constraints.txt").read_bytes())
    return digest.hexdigest()[:16]


def kept_run(*words: str, make: Callable[[Path], None]) -> Path:
    """The folder that `make` filled for these words, now or in an earlier session.

    A worker that finds another one making it waits; what was left half made is made anew.
    """
    shelf = Path(tempfile.gettempdir()) / f"suretune-tests-{os.getuid()}"
    state = shelf / source_digest()
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder = state / hashlib.sha256("\0".join(words).encode()).hexdigest()[:16]
    with (state / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "made").exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make(folder)
            (folder / "made").touch()
    os.utime(state)
    states = sorted(shelf.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
    for former in states[KEPT:]:
        if time.time() - former.stat().st_mtime > RECENT:
            shutil.rmtree(former, ignore_errors=True)
    return folder
