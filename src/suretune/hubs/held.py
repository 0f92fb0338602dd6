"""Whether what lies in a cache is what the hub listed: every byte, whoever put it there.

Files are hashed whenever they are used. Weights would take ten seconds for 15 GB each time, so that
a large file is hashed once, and again whenever its size, its place or a time of change is another.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import orjson

from suretune import rundir
from suretune.hubs.door import File, Hub, Listing

LARGE = 32 << 20  # bytes from which on a hash is remembered
OURS = ".suretune"  # folder of a repository in the hub's cache: what its own clients do not have


def content_name(listing: Listing, file: File) -> str:
    """A name for the content of a file: its hash, or a hash of where it was listed."""
    return file.content or sha256(f"{listing.commit}/{file.path}".encode()).hexdigest()


def digest_of(
    hub: Hub,
    listing: Listing,
    file: File,
    path: Path,
) -> str:
    """The sha256 of the file at `path`, where it is what was listed; empty where it is another, or
    none. A file whose hash nobody told is held to its size."""
    try:
        stamp = _stamp(path)
    except FileNotFoundError:
        return ""
    if stamp[0] != file.size:
        return ""
    note = hub.home(listing.repo) / OURS / f"{content_name(listing, file)}.held"
    if file.size > LARGE and (known := _noted(note, stamp)):
        return known
    if not file.is_right(path):
        return ""
    digest = file.sha256 or rundir.sha256(path)
    if file.size > LARGE:
        with suppress(OSError):  # a cache that others own: it is hashed again the next time
            _note(note, stamp, digest)
    return digest


def _stamp(path: Path) -> list[int]:
    """What changes with the content: size, place on the disk, and both times of change."""
    about = path.stat()
    return [about.st_size, about.st_ino, about.st_mtime_ns, about.st_ctime_ns]


def _noted(note: Path, stamp: list[int]) -> str:
    try:
        told = orjson.loads(note.read_bytes())
    except (FileNotFoundError, ValueError):  # never hashed, or cut short by a full disk
        return ""
    same = isinstance(told, dict) and told.get("stamp") == stamp
    return str(told.get("sha256", "")) if same else ""


def _note(note: Path, stamp: list[int], digest: str) -> None:
    note.parent.mkdir(parents=True, exist_ok=True)
    fresh = note.with_name(f"{note.name}.{os.getpid()}-{threading.get_ident()}")
    fresh.write_bytes(orjson.dumps({"stamp": stamp, "sha256": digest}))
    os.replace(fresh, note)
