"""A folder given to a hub: private unless asked, in one commit, and nothing sent twice.

Large files go to the hub's store of contents first, each named by its sha256; one commit then names
all files, so that nobody ever sees half of it. A push that was cut sends what is missing.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from suretune import rundir
from suretune.hubs.door import Hub, HubError, Repo, Trouble
from suretune.hubs.wire import BROKEN, Patience, asked, host_of, post, what_broke
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
    """Where a content is sent, and where the hub is told that it has arrived, if it asks for it."""

    href: str
    headers: Mapping[str, str]
    verify: str = ""
    verify_headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Given:
    """What came of a push: the page, and whether it is private, as the hub says."""

    page: str
    private: bool


class Receiver(Hub, Protocol):
    """A hub that takes files."""

    def create(self, repo: Repo, *, private: bool) -> None:
        """The repository, unless it is there; `HubError` where this token may not."""
        ...

    def is_private(self, repo: Repo) -> bool:
        """Whether only its owner sees it, as the hub itself says; `HubError` where that is not
        told."""
        ...

    def wanted(
        self,
        repo: Repo,
        files: Sequence[Local],
    ) -> dict[str, Upload]:
        """By sha256, where each content is sent that the hub does not have."""
        ...

    def commit(
        self,
        repo: Repo,
        files: Sequence[Local],
        message: str,
    ) -> str:
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
) -> Given:
    """Give these files; where they are, and who sees them. `tell` hears of each large file before
    it goes.

    A repository may have been there before, and public: it is asked what it is, whatever was wanted
    of a new one, before anything is sent.

    Raises:
        HubError: what the hub refused; nothing is visible then. "public" where `private` was asked
            for and everybody would see it.
    """
    if not hub.headers():
        none = Text("no token is set", "没有设置令牌")
        raise HubError("refused", none, host_of(hub.endpoint()))
    hub.create(repo, private=private)
    is_private = hub.is_private(repo)
    if private and not is_private:
        raise HubError(
            "public",
            hub.page(repo),
            host_of(hub.endpoint()),
        )
    large = [file for file in files if file.is_large]
    wanted = hub.wanted(repo, large) if large else {}
    for file in large:
        if (upload := wanted.get(file.sha256)) is not None:
            tell(file)
            _send(hub, file, upload)
    hub.commit(repo, files, message)
    return Given(hub.page(repo), is_private)


def uploads(
    told: Any,
    files: Sequence[Local],
    host: str,
) -> dict[str, Upload]:
    """Git LFS's answer to a batch: by sha256, where each content is sent. One that is there already
    has no actions; one that the hub does not take has an error, which is no such thing.

    Raises:
        HubError: a content is refused, or not answered for.
    """
    objects = told.get("objects") if isinstance(told, dict) else None
    entries = {e["oid"]: e for e in objects or () if isinstance(e, dict) and "oid" in e}
    found: dict[str, Upload] = {}
    for file in files:
        entry = entries.get(file.sha256)
        if entry is None:
            raise HubError("refused", _unanswered(file), host)
        if error := entry.get("error"):
            about = error if isinstance(error, dict) else {"message": error}
            why = f"{about.get('code', '')} {about.get('message', '')}".strip()
            raise HubError(
                "refused",
                f"{file.path}: {why}"[:200],
                host,
            )
        actions = entry.get("actions") or {}
        up, verify = actions.get("upload"), actions.get("verify") or {}
        if up:
            found[file.sha256] = Upload(
                up["href"],
                up.get("header") or {},
                verify.get("href", ""),
                verify.get("header") or {},
            )
    return found


def _unanswered(file: Local) -> Text:
    return Text(
        f"its answer does not say where {file.path} is to be sent",
        f"应答里没有说明 {file.path} 应当传到哪里",
    )


def _send(hub: Receiver, file: Local, upload: Upload) -> None:
    """One content, whole; a broken connection begins it anew. Where the hub wants to be told that
    it has arrived, it is: what was not verified it may forget."""
    patience, host = Patience(), host_of(upload.href)
    secret = _secret(hub, upload.href)
    while True:
        after = None
        try:
            headers = {"Content-Type": "application/octet-stream", **upload.headers}
            with file.file.open("rb") as body:
                headers["Content-Length"] = str(file.size)
                with asked(upload.href, secret, headers, method="PUT", data=body) as response:
                    status, after = response.status, response.headers.get("Retry-After")
            if status < 300:
                break
            trouble: Trouble = "busy" if status == 429 else "unreachable"
            if status < 500 and status != 429:
                raise HubError(
                    "refused",
                    f"HTTP {status}: {file.path}",
                    host,
                )
            error = HubError(
                trouble,
                f"HTTP {status}: {file.path}",
                host,
            )
        except BROKEN as broken:
            error = HubError("unreachable", what_broke(broken), host)
        patience.wait(error, after)
    if upload.verify:
        about, kind = {"oid": file.sha256, "size": file.size}, "application/vnd.git-lfs+json"
        told = {**_secret(hub, upload.verify), **upload.verify_headers}
        status, _, _ = post(upload.verify, told, about, kind)
        if status >= 300:
            asked_host = host_of(upload.verify)
            raise HubError(
                "refused",
                f"HTTP {status}: {file.path}",
                asked_host,
            )


def _secret(hub: Receiver, url: str) -> dict[str, str]:
    """The token, where an address is the hub's own."""
    return hub.headers() if is_of(url, hub.endpoint()) else {}


def is_of(url: str, endpoint: str) -> bool:
    """Whether an address is the endpoint's own host, or a part of it: who may see the token."""
    mine, asked_host = urlsplit(endpoint), urlsplit(url)
    if mine.scheme == "https" and asked_host.scheme != "https":
        return False
    host, own = asked_host.hostname or "", mine.hostname or ""
    same = host == own and asked_host.port == mine.port
    return same or ("." in own and host.endswith(f".{own}"))
