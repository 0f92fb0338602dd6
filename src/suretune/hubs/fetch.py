"""Files that arrive whole or not at all, and go on where they were cut, in a later process too.

A file is written under the name of its content, in closed ranges, in the folder `.suretune` of the
hub's own cache; it gets its place once size and hash are right. Two processes that want the same
content wait for each other.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from http.client import HTTPResponse
from pathlib import Path

from suretune.hubs.door import File, Hub, HubError, Listing, Snapshot
from suretune.hubs.held import OURS, content_name, digest_of
from suretune.hubs.wire import BROKEN, Patience, asked, host_of, what_broke
from suretune.types import Text

RANGE = 32 << 20  # bytes asked for at once: a server that ignores ranges sends more, and is read on
PIECE = 1 << 18  # bytes between two writes
AT_ONCE = 4  # files
LOOK_AGAIN = 0.2  # seconds between two looks at what another process fetches
STOPPED = Text("stopped", "已停止")


class Progress:
    """How much of what is fetched has arrived, over all files; safe from any thread."""

    def __init__(
        self,
        total: int,
        tell: Callable[[Progress], None],
        every: float = 0.5,
    ) -> None:
        self.total = total  # bytes
        self.here = 0  # bytes that lie on disk, those of an earlier process included
        self.arrived = 0  # bytes that came over the network
        self.began = time.monotonic()
        self._tell = tell
        self._every = every
        self._told = 0.0
        self._lock = threading.Lock()
        self.over = threading.Event()  # nobody waits for it any more

    @property
    def rate(self) -> float:
        """Bytes a second over the network since the beginning."""
        return self.arrived / max(time.monotonic() - self.began, 1e-6)

    def add(self, here: int, arrived: int = 0) -> None:
        """`here`: bytes that lie on disk now; `arrived`: those that came over the network."""
        with self._lock:
            self.here += here
            self.arrived += arrived
            now = time.monotonic()
            if now - self._told >= self._every or self.here >= self.total:
                self._told = now
                self._tell(self)


def fetch(
    hub: Hub,
    listing: Listing,
    files: Sequence[File],
    tell: Callable[[Progress], None],
    patience: Callable[[], Patience] | None = None,
) -> Snapshot:
    """These files of the listing, each verified, in the hub's own cache.

    The first that fails, and whoever interrupts, ends the others within a piece.

    Raises:
        HubError: what could not be had; all that has arrived stays and is not fetched again.
        OSError: the disk does not take it.
    """
    progress = Progress(sum(file.size for file in files), tell)
    patience = patience or (lambda: Patience(progress.over.wait))
    jobs: list[Future[str]] = []
    with ThreadPoolExecutor(AT_ONCE) as pool:
        try:  # leaving the pool waits for all that has begun, which only `over` ends
            for file in files:
                jobs.append(pool.submit(_one, hub, listing, file, progress, patience))
            wait(jobs, return_when=FIRST_EXCEPTION)
            for job in jobs:
                if job.done():
                    job.result()
            digests = [job.result() for job in jobs]
        except BaseException:
            progress.over.set()
            for job in jobs:
                job.cancel()
            raise
    hub.remember(listing)
    named = {file.path: digest for file, digest in zip(files, digests, strict=True)}
    folder = _snapshot(hub, listing)
    return Snapshot(listing.repo, listing.commit, folder, named)


def _snapshot(hub: Hub, listing: Listing) -> Path:
    _, shown = hub.place(listing, File("x", 0))
    return shown.parent


def _one(
    hub: Hub,
    listing: Listing,
    file: File,
    progress: Progress,
    patience: Callable[[], Patience],
) -> str:
    """The file at its place; its sha256."""
    store, shown = hub.place(listing, file)
    if digest := digest_of(hub, listing, file, store):
        progress.add(file.size)
    else:
        store.parent.mkdir(parents=True, exist_ok=True)
        parts = hub.home(listing.repo) / OURS
        parts.mkdir(parents=True, exist_ok=True)
        part = parts / f"{content_name(listing, file)}.part"
        with _alone(part.with_suffix(".lock"), progress):
            digest = digest_of(hub, listing, file, store)  # another process has fetched it
            if digest:
                progress.add(file.size)
            else:
                _download(
                    hub,
                    listing,
                    file,
                    part,
                    progress,
                    patience(),
                )
                os.replace(part, store)
                digest = digest_of(hub, listing, file, store)
    if shown != store:
        _link(shown, store)
    return digest


@contextmanager
def _alone(path: Path, progress: Progress) -> Iterator[None]:
    """Nobody else fetches this content meanwhile. The lock dies with its process; its file stays,
    for whoever waits at it. Who waits can be stopped."""
    with path.open("a") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if progress.over.wait(LOOK_AGAIN):
                    raise HubError("unreachable", STOPPED) from None
        yield


def _download(
    hub: Hub,
    listing: Listing,
    file: File,
    part: Path,
    progress: Progress,
    patience: Patience,
) -> None:
    """The whole content in `part`, right by its hash."""
    url = hub.address(listing, file)
    host = host_of(url)
    for again in (False, True):
        have = part.stat().st_size if part.exists() else 0
        if have > file.size:
            part.unlink()
            have = 0
        progress.add(have)
        while have < file.size or not part.exists():
            have = _more(
                url,
                secret=hub.headers(),
                file=file,
                part=part,
                have=have,
                progress=progress,
                patience=patience,
            )
        if file.is_right(part):
            return
        progress.add(-file.size)
        part.unlink()
        if again:  # twice the same: it is the hub that has something else
            raise HubError("wrong-hash", file.path, host)


def _more(
    url: str,
    secret: dict[str, str],
    file: File,
    part: Path,
    have: int,
    progress: Progress,
    patience: Patience,
) -> int:
    """One request's worth of bytes behind the `have` that are here; how many are here then."""
    last = min(file.size, have + RANGE) - 1
    host = host_of(url)
    wanted = {"Range": f"bytes={have}-{last}"} if file.size else {}
    before = have
    try:
        with asked(url, secret, wanted) as response:
            if response.status == 416:  # what is here is longer than what there is
                part.unlink(missing_ok=True)
                progress.add(-have)
                patience.wait(HubError("unreachable", f"HTTP 416: {file.path}", host))
                return 0
            if (trouble := _refusal(response, file, host)) is not None:
                if trouble.trouble in ("gated", "missing"):
                    raise trouble
                patience.wait(trouble, response.headers.get("Retry-After"))
                return have
            start = _start(response.status, response.headers.get("Content-Range", ""))
            if start > have:
                raise HubError(
                    "unreachable",
                    _not_there(have, start),
                    host,
                )
            with part.open("r+b" if part.exists() else "wb") as out:
                out.truncate(start)
                out.seek(start)
                progress.add(start - have)
                have = start
                while piece := response.read(PIECE):
                    if progress.over.is_set():
                        raise HubError("unreachable", STOPPED, host)
                    piece = piece[: file.size - have]
                    if not piece:
                        break
                    out.write(piece)
                    have += len(piece)
                    progress.add(len(piece), len(piece))
    except BROKEN as error:
        have = part.stat().st_size if part.exists() else 0
        if have <= before:
            patience.wait(HubError("unreachable", what_broke(error), host))
    if have > before:
        patience.progress()
    elif file.size:
        part_of = Text(f"{have} of {file.size} bytes", f"{file.size} 字节中只收到 {have} 字节")
        patience.wait(HubError("unreachable", part_of, host))
    return have


def _not_there(wanted: int, given: int) -> Text:
    return Text(
        f"asked for byte {wanted}, got {given}", f"要的是第 {wanted} 字节，给的是第 {given} 字节"
    )


def _start(status: int, told: str) -> int:
    """From which byte the answer begins. Some servers answer a range with 200 and a
    `Content-Range`; those that ignore ranges begin anew."""
    if told.startswith("bytes "):
        first = told[6:].partition("-")[0]
        if first.isdigit():
            return int(first)
    return 0


def _refusal(
    response: HTTPResponse,
    file: File,
    host: str,
) -> HubError | None:
    """None for an answer with bytes. A signed address that ran out says 403, so that is asked
    again, too; not so a licence that was not accepted, and a file that is gone."""
    status = response.status
    if status in (200, 206):
        return None
    found = f"HTTP {status}: {file.path}"
    why = response.headers.get("X-Error-Message", "")
    if response.headers.get("X-Error-Code") == "GatedRepo" or "gated" in why.lower():
        return HubError(
            "gated",
            f"HTTP {status} {why}".strip()[:200],
            host,
        )
    if status == 404:
        return HubError("missing", found, host)
    if status in (401, 403):
        return HubError("refused", found, host)
    if status == 429:
        return HubError("busy", found, host)
    return HubError("unreachable", found, host)


def _link(shown: Path, store: Path) -> None:
    """The snapshot shows the content by a relative link, as the hub's own clients do."""
    shown.parent.mkdir(parents=True, exist_ok=True)
    target = os.path.relpath(store, shown.parent)
    if shown.is_symlink() and os.readlink(shown) == target:
        return
    fresh = shown.with_name(f".{shown.name}.{os.getpid()}.{threading.get_ident()}")
    fresh.symlink_to(target)
    os.replace(fresh, shown)
