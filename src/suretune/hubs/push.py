"""A folder given to a hub: private unless asked, in one commit, and nothing sent twice.

Large files go to the hub's store of contents first, each named by its sha256; one commit then names
all files, so that nobody ever sees half of it. A push that was cut sends what is missing.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from suretune import rundir
from suretune.hubs.door import Hub, HubError, Repo
from suretune.hubs.wire import BROKEN, Patience, asked, what_broke
from suretune.types import Text

SMALL = 1 << 20  # bytes: what is smaller goes with the commit
ALWAYS_LARGE = (".safetensors", ".gguf", ".bin")


@dataclass(frozen=True, slots=True)
class Local:
    """A file that is to be given: `path` on the hub, `file` here."""

    path: str
    file: Path
    size: int  # bytes
    sha256: str

    @property
    def is_large(self) -> bool:
        """Whether it goes to the store of contents before the commit."""
        return self.size >= SMALL or self.path.endswith(ALWAYS_LARGE)

    @property
    def base64(self) -> str:
        """The whole content, as commits carry small files."""
        return base64.b64encode(self.file.read_bytes()).decode()


@dataclass(frozen=True, slots=True)
class Upload:
    """Where a content is sent, and where the hub is told that it has arrived."""

    href: str
    headers: Mapping[str, str]
    verify: str = ""


class Receiver(Hub, Protocol):
    """A hub that takes files."""

    def create(self, repo: Repo, *, private: bool) -> None:
        """The repository, unless it is there; `HubError` where this token may not."""
        ...

    def wanted(self, repo: Repo, files: Sequence[Local]) -> dict[str, Upload]:
        """By sha256, where each content is sent that the hub does not have."""
        ...

    def commit(self, repo: Repo, files: Sequence[Local], message: str) -> str:
        """Name all files in one commit; the commit, or the address of it."""
        ...

    def page(self, repo: Repo) -> str:
        """Where people look at it."""
        ...


def local_files(folder: Path, keep: Callable[[str], bool]) -> list[Local]:
    """The files of a folder whose paths `keep` takes, hashed."""
    made = []
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        path = file.relative_to(folder).as_posix()
        if keep(path):
            made.append(Local(path, file, file.stat().st_size, rundir.sha256(file)))
    return made


def push(
    hub: Receiver,
    repo: Repo,
    files: Sequence[Local],
    *,
    private: bool,
    message: str,
    tell: Callable[[Local], None],
) -> str:
    """Give these files; the page where they are. `tell` hears of each large file before it goes.

    Raises:
        HubError: what the hub refused; nothing is visible then.
    """
    if not hub.headers():
        none = Text("no token is set", "没有设置令牌")
        raise HubError("refused", none, urlsplit(hub.endpoint()).netloc)
    hub.create(repo, private=private)
    large = [file for file in files if file.is_large]
    wanted = hub.wanted(repo, large) if large else {}
    for file in large:
        if (upload := wanted.get(file.sha256)) is not None:
            tell(file)
            _send(hub, file, upload)
    hub.commit(repo, files, message)
    return hub.page(repo)


def _send(hub: Receiver, file: Local, upload: Upload) -> None:
    """One content, whole; a broken connection begins it anew."""
    patience, host = Patience(), urlsplit(upload.href).netloc
    secret = hub.headers() if is_of(upload.href, hub.endpoint()) else {}
    while True:
        try:
            headers = {"Content-Type": "application/octet-stream", **upload.headers}
            with file.file.open("rb") as body:
                headers["Content-Length"] = str(file.size)
                with asked(upload.href, secret, headers, method="PUT", data=body) as response:
                    status = response.status
            if status < 300:
                return
            error = HubError("refused" if status < 500 else "unreachable", f"HTTP {status}", host)
            if status < 500 and status != 429:
                raise error
        except BROKEN as broken:
            error = HubError("unreachable", what_broke(broken), host)
        patience.wait(error)


def is_of(url: str, endpoint: str) -> bool:
    """Whether an address is the endpoint's own host, or a part of it: who may see the token."""
    mine, asked_host = urlsplit(endpoint), urlsplit(url)
    if mine.scheme == "https" and asked_host.scheme != "https":
        return False
    host, own = asked_host.hostname or "", mine.hostname or ""
    same = host == own and asked_host.port == mine.port
    return same or ("." in own and host.endswith(f".{own}"))
