"""What a hub is to the rest of the house, and what it says when it cannot serve."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal, Protocol

from suretune.types import Text

Kind = Literal["model", "dataset"]
Trouble = Literal[
    "missing",  # no such repository, or a private one that this token does not see
    "no-revision",
    "gated",  # its licence has to be accepted first
    "refused",  # the token is missing, wrong or not allowed to
    "busy",  # too many requests, for longer than we wait
    "unreachable",  # no answer: no network, a time-out, a server that fails
    "offline",  # not in the cache, and asked not to look elsewhere
    "wrong-hash",  # what arrived is not what the hub lists
    "unsafe",  # a listing that would write outside of its folder
    "altered",  # what lies in the cache is not what was listed, and nobody is to be asked
    "disk",  # the cache cannot be read or written
    "public",  # everybody would see what was to be private
]
NO_JSON = Text("its answer is no JSON", "应答不是 JSON")
NO_VISIBILITY = Text(
    "it does not say whether this repository is private", "没有说明这个仓库是否私有"
)
NO_LISTING = Text("its listing is none", "文件列表的格式不对")
UNSIZED = Text("a listing without paths and sizes", "文件列表里没有路径和大小")


class HubError(Exception):
    """A hub could not serve. `trouble` is one of `Trouble`; `found` what it answered, without any
    token, or what we say of it; `host` who answered."""

    def __init__(
        self,
        trouble: Trouble,
        found: str | Text = "",
        host: str = "",
    ) -> None:
        said = found.en if isinstance(found, Text) else found
        super().__init__(f"{trouble}: {said} ({host})")
        self.trouble: Trouble = trouble
        self.found = found
        self.host = host


@dataclass(frozen=True, slots=True)
class Repo:
    """A repository on a hub. `revision`: a branch, tag or commit; empty for the hub's default."""

    hub: str  # hf, ms
    kind: Kind
    id: str  # owner/name
    revision: str = ""

    @property
    def spec(self) -> str:
        """As a user may type it."""
        return f"{self.hub}::{self.id}" + (f"@{self.revision}" if self.revision else "")


@dataclass(frozen=True, slots=True)
class File:
    """One file of a listing. A hub names its content by `sha256`, or by git's own `blob` id."""

    path: str  # with /, relative, checked
    size: int  # bytes
    sha256: str = ""
    blob: str = ""  # sha1 of git's header and the content

    @property
    def content(self) -> str:
        """The name of the content, by which it is cached and verified; empty where none is told."""
        return self.sha256 or self.blob

    def is_right(self, path: Path) -> bool:
        """Whether this file on disk is the one that was listed: size, and hash where one is."""
        if path.stat().st_size != self.size:
            return False
        if not self.content:
            return True
        digest = hashlib.sha256() if self.sha256 else hashlib.sha1(usedforsecurity=False)
        if not self.sha256:
            digest.update(f"blob {self.size}\0".encode())
        with path.open("rb") as file:
            while piece := file.read(1 << 20):
                digest.update(piece)
        return digest.hexdigest() == self.content


@dataclass(frozen=True, slots=True)
class Listing:
    """What a repository holds at one commit."""

    repo: Repo
    commit: str  # 40 hex digits
    files: tuple[File, ...]
    named: str = ""  # the revision by which files are asked for; the commit where that is taken

    def __post_init__(self) -> None:
        for file in self.files:
            check_path(file.path)

    @property
    def revision(self) -> str:
        """The revision by which files are asked for."""
        return self.named or self.commit


def check_path(path: str) -> None:
    """`HubError` for a path that could leave its folder: absolute, upwards, or unprintable."""
    parts = PurePosixPath(path).parts
    wrong = not parts or path.startswith("/") or ".." in parts or "\\" in path
    if wrong or not path.isprintable() or any(len(part.encode()) > 255 for part in parts):
        raise HubError("unsafe", repr(path[:200]))


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Files of one commit on this disk. `files`: path to sha256 of what lies there."""

    repo: Repo
    commit: str
    folder: Path
    files: Mapping[str, str] = field(default_factory=dict)


class Hub(Protocol):
    """One hub. It knows routes, tokens and where its own clients keep what they fetched."""

    name: str  # the prefix: hf, ms
    title: str

    def endpoint(self) -> str:
        """Where it is asked: an address without a slash at its end."""
        ...

    def is_offline(self) -> bool:
        """Whether the user asked for the cache only."""
        ...

    def listing(self, repo: Repo) -> Listing:
        """Everything in the repository; `HubError` where the hub does not tell."""
        ...

    def address(self, listing: Listing, file: File) -> str:
        """From where a file of the listing is had."""
        ...

    def headers(self) -> dict[str, str]:
        """What says who asks; sent to the endpoint's own host and to no other."""
        ...

    def home(self, repo: Repo) -> Path:
        """The folder of the repository in the hub's standard cache."""
        ...

    def place(
        self,
        listing: Listing,
        file: File,
    ) -> tuple[Path, Path]:
        """(where the content lies, where the snapshot shows it); the same path where there is no
        store of contents."""
        ...

    def remember(self, listing: Listing) -> None:
        """Write down which commit the revision was, as the hub's own clients do."""
        ...

    def cached(self, repo: Repo) -> Iterator[tuple[str, Path]]:
        """(commit or revision, folder) of what the hub's clients fetched, the asked one first."""
        ...
