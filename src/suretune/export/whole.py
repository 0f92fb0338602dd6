"""A folder that is there whole or not at all: written beside its place, flushed, then renamed.

A process that is killed leaves at most a folder under a temporary name, which the next export to
the same place removes.
"""

from __future__ import annotations

import glob
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from suretune import rundir
from suretune.because import FULL, in_words, number_of
from suretune.facts import SetupFacts
from suretune.refusal import Refusal


@contextmanager
def whole(final: Path) -> Iterator[Path]:
    """An empty folder to write into; it gets its name when the block ends without an exception.

    Raises FileExistsError where the name is taken, before and after: nothing is written over;
    Refusal where nothing can be made.
    """
    refuse_taken(final)
    with _refusing(final.parent):
        rundir.make_folder(final.parent)
    for left in final.parent.glob(f".export-{glob.escape(final.name)}-*"):
        if not _alive(left.name.rpartition("-")[2]):
            shutil.rmtree(left)
    part = final.with_name(f".export-{final.name}-{os.getpid()}")
    with _refusing(final.parent):
        part.mkdir()
    try:
        yield part
        rundir.flush(path for path in sorted(part.rglob("*")) if path.is_file())
        refuse_taken(final)
        os.rename(part, final)
        rundir.sync(final.parent)
    finally:
        if part.exists():
            shutil.rmtree(part)


@contextmanager
def _refusing(folder: Path) -> Iterator[None]:
    """What the system does not let be made in a folder is a refusal; a name that is taken, or a
    full disk, is said by whoever called."""
    try:
        yield
    except OSError as error:
        taken = isinstance(error, FileExistsError) and not _below_a_file(folder)
        if taken or number_of(error) in FULL:
            raise
        about = SetupFacts(
            "output-not-writable",
            str(folder),
            in_words(error),
            spare="--out",
        )
        raise Refusal(about) from error


def _below_a_file(folder: Path) -> bool:
    return any(part.exists() and not part.is_dir() for part in (folder, *folder.parents))


def refuse_taken(final: Path) -> None:
    """FileExistsError unless the name is free; an empty folder is free."""
    if final.is_symlink() or (final.exists() and not (final.is_dir() and not any(final.iterdir()))):
        raise FileExistsError(str(final))


def _alive(number: str) -> bool:
    """Whether a process of this number runs: its folder is not ours to remove."""
    if not number.isdigit():
        return True
    if int(number) == os.getpid():  # left by one that was killed: numbers come again
        return False
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
