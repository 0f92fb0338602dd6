"""Hugging Face, and mirrors that speak like it (`HF_ENDPOINT`).

Routes, cache layout and environment: huggingface_hub 2.4, https://huggingface.co/docs/hub/api.
Its own client starts a broken download of a file anew in the next process, and fetches the bytes of
large files from another host (Xet) whatever mirror was asked; this one asks the mirror for all.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, urljoin

import orjson

from suretune.hubs.door import (
    NO_JSON,
    NO_LISTING,
    NO_VISIBILITY,
    UNSIZED,
    File,
    HubError,
    Listing,
    Repo,
)
from suretune.hubs.push import Local, Upload, uploads
from suretune.hubs.wire import get, origin, post, shown
from suretune.types import Text

NO_COMMIT = Text("no commit in its answer", "应答里没有提交号")
ELSEWHERE = Text("a listing that goes on at another host", "文件列表的下一页在另一台主机上")
DEFAULT = "https://huggingface.co"
NEXT = re.compile(r'<([^>]+)>;\s*rel="next"')
COMMIT = re.compile(r"[0-9a-f]{40}")
PAGES = 1000


class HuggingFace:
    """`Hub` for huggingface.co and what answers its routes."""

    name = "hf"
    title = "Hugging Face"

    def endpoint(self) -> str:
        """`HF_ENDPOINT`, or the hub itself."""
        return (os.environ.get("HF_ENDPOINT") or DEFAULT).rstrip("/")

    def is_offline(self) -> bool:
        """`HF_HUB_OFFLINE`."""
        return os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")

    def headers(self) -> dict[str, str]:
        """The token of `HF_TOKEN`, or of the file that `hf auth login` leaves."""
        token = os.environ.get("HF_TOKEN") or os.environ.get("HUGGING_FACE_HUB_TOKEN") or ""
        path = os.environ.get("HF_TOKEN_PATH") or os.path.join(_home(), "token")
        if not token.strip():
            try:
                token = Path(path).expanduser().read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError):  # no token: ask as anybody
                token = ""
        token = token.strip()
        return {"Authorization": f"Bearer {token}"} if token else {}

    def listing(self, repo: Repo) -> Listing:
        """The commit of the revision first, then its tree, page by page."""
        api = f"{self.endpoint()}/api/{repo.kind}s/{repo.id}"
        about = self._json(f"{api}/revision/{quote(repo.revision or 'main', safe='')}")
        commit = about.get("sha") if isinstance(about, dict) else None
        if not isinstance(commit, str) or not COMMIT.fullmatch(commit):
            raise HubError("unreachable", NO_COMMIT, origin(api)[1])
        files: list[File] = []
        url = f"{api}/tree/{commit}?recursive=True&expand=False"
        for _ in range(PAGES):
            page, following = self._page(url)
            files += [made for entry in page if (made := _file(entry)) is not None]
            if not following:
                return Listing(repo, commit, tuple(files))
            url = following
        many = Text(f"more than {PAGES} pages of files", f"文件列表超过 {PAGES} 页")
        raise HubError("unreachable", many, origin(api)[1])

    def address(self, listing: Listing, file: File) -> str:
        """Files are asked for at the commit, so a branch that moves cannot mix two states."""
        place = "" if listing.repo.kind == "model" else "datasets/"
        path = quote(file.path)
        return f"{self.endpoint()}/{place}{listing.repo.id}/resolve/{listing.commit}/{path}"

    def home(self, repo: Repo) -> Path:
        """`models--owner--name` in `HF_HUB_CACHE`."""
        return _cache() / f"{repo.kind}s--{repo.id.replace('/', '--')}"

    def place(
        self,
        listing: Listing,
        file: File,
    ) -> tuple[Path, Path]:
        """Contents lie in `blobs`, linked by snapshots; without a hash, in the snapshot."""
        home = self.home(listing.repo)
        shown = home / "snapshots" / listing.commit / file.path
        return (home / "blobs" / file.content if file.content else shown), shown

    def remember(self, listing: Listing) -> None:
        """The branch's ref names the commit."""
        ref = self.home(listing.repo) / "refs" / (listing.repo.revision or "main")
        if listing.repo.revision == listing.commit:
            return
        ref.parent.mkdir(parents=True, exist_ok=True)
        fresh = ref.with_name(f".{ref.name}.{os.getpid()}-{threading.get_ident()}")
        fresh.write_text(listing.commit, encoding="utf-8")
        os.replace(fresh, ref)

    def cached(self, repo: Repo) -> Iterator[tuple[str, Path]]:
        """By the branch's ref, or by the commit itself."""
        home, revision = self.home(repo), repo.revision or "main"
        commit = revision
        try:
            commit = (home / "refs" / revision).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):  # a commit itself, or one that was never fetched
            commit = revision
        if COMMIT.fullmatch(commit) and (home / "snapshots" / commit).is_dir():
            yield commit, home / "snapshots" / commit

    def create(self, repo: Repo, *, private: bool) -> None:
        """409 says that it is there already."""
        owner, _, name = repo.id.partition("/")
        asked = {"name": name, "organization": owner, "type": repo.kind, "private": private}
        url = f"{self.endpoint()}/api/repos/create"
        status, told, _ = post(url, self.headers(), asked)
        if status not in (200, 201, 409):
            raise HubError(
                "refused",
                f"HTTP {status} {told.get('X-Error-Message', '')}".strip(),
                origin(url)[1],
            )

    def is_private(self, repo: Repo) -> bool:
        """`private` of the repository."""
        url = f"{self.endpoint()}/api/{repo.kind}s/{repo.id}"
        about = self._json(url)
        private = about.get("private") if isinstance(about, dict) else None
        if not isinstance(private, bool):
            raise HubError("refused", NO_VISIBILITY, origin(url)[1])
        return private

    def wanted(
        self,
        repo: Repo,
        files: Sequence[Local],
    ) -> dict[str, Upload]:
        """Git LFS's batch interface (git-lfs, docs/api/batch.md)."""
        place = "" if repo.kind == "model" else "datasets/"
        url = f"{self.endpoint()}/{place}{repo.id}.git/info/lfs/objects/batch"
        asked = {
            "operation": "upload",
            "transfers": ["basic"],
            "objects": [{"oid": file.sha256, "size": file.size} for file in files],
            "hash_algo": "sha256",
        }
        status, headers, told = post(
            url,
            self.headers(),
            asked,
            "application/vnd.git-lfs+json",
        )
        if status != 200 or not isinstance(told, dict):
            why = headers.get("X-Error-Message", "")
            raise HubError(
                "refused",
                f"HTTP {status} {why}".strip(),
                origin(url)[1],
            )
        return uploads(told, files, origin(url)[1])

    def commit(
        self,
        repo: Repo,
        files: Sequence[Local],
        message: str,
    ) -> str:
        """One commit as lines of JSON: a header, then a line a file."""
        lines: list[dict[str, Any]] = [
            {"key": "header", "value": {"summary": message, "description": ""}}
        ]
        for file in files:
            if file.is_large:
                about = {"path": file.path, "algo": "sha256", "oid": file.sha256}
                lines.append({"key": "lfsFile", "value": {**about, "size": file.size}})
            else:
                about = {"path": file.path, "content": file.base64, "encoding": "base64"}
                lines.append({"key": "file", "value": about})
        url = f"{self.endpoint()}/api/{repo.kind}s/{repo.id}/commit/{repo.revision or 'main'}"
        body = b"".join(orjson.dumps(line) + b"\n" for line in lines)
        status, headers, told = post(
            url,
            self.headers(),
            body,
            "application/x-ndjson",
        )
        if status not in (200, 201) or not isinstance(told, dict):
            why = headers.get("X-Error-Message", "")
            raise HubError(
                "refused",
                f"HTTP {status} {why}".strip(),
                origin(url)[1],
            )
        return str(told.get("commitOid", ""))

    def page(self, repo: Repo) -> str:
        """The address of the repository for a browser."""
        return f"{shown(self.endpoint())}/{'' if repo.kind == 'model' else 'datasets/'}{repo.id}"

    def _json(self, url: str) -> object:
        status, told, body = get(url, self.headers())
        _judge(status, told, origin(url)[1])
        return _read(body, origin(url)[1])

    def _page(self, url: str) -> tuple[list[object], str]:
        """The entries of one page, and the address of the next; never one of another host."""
        status, told, body = get(url, self.headers())
        _judge(status, told, origin(url)[1])
        page = _read(body, origin(url)[1])
        if not isinstance(page, list):
            raise HubError("unreachable", NO_LISTING, origin(url)[1])
        found = NEXT.search(told.get("Link", ""))
        following = urljoin(url, found[1]) if found else ""
        if following and origin(following) != origin(url):
            raise HubError("unsafe", ELSEWHERE, origin(url)[1])
        return page, following


def _judge(status: int, told: Mapping[str, str], host: str) -> None:
    """`HubError` for what is no answer. 401 is said of a private repository and of none."""
    if status == 200:
        return
    code, why = told.get("X-Error-Code", ""), told.get("X-Error-Message", "")
    found = f"HTTP {status} {why}".strip()[:200]
    if code == "GatedRepo" or "gated" in why.lower():
        raise HubError("gated", found, host)
    if code == "RevisionNotFound":
        raise HubError("no-revision", found, host)
    if status == 401 and "invalid credentials" in why.lower():  # whatever is asked for
        raise HubError("refused", found, host)
    if status in (401, 404):
        raise HubError("missing", found, host)
    raise HubError("refused", found, host)


def _read(body: bytes, host: str) -> object:
    try:
        return orjson.loads(body)
    except ValueError as error:
        raise HubError("unreachable", NO_JSON, host) from error


def _file(entry: object) -> File | None:
    if not isinstance(entry, dict) or entry.get("type") != "file":
        return None
    large = entry.get("lfs")
    lfs: dict[str, Any] = large if isinstance(large, dict) else {}
    path, size = entry.get("path"), lfs.get("size", entry.get("size"))
    if not isinstance(path, str) or not isinstance(size, int) or size < 0:
        raise HubError("unsafe", UNSIZED)
    sha256, blob = lfs.get("oid") or "", "" if lfs else entry.get("oid") or ""
    return File(path, size, _hex(sha256, 64), _hex(blob, 40))


def _hex(name: object, digits: int) -> str:
    """A digest names a file in the cache: nothing else may."""
    good = isinstance(name, str) and re.fullmatch(rf"[0-9a-f]{{{digits}}}", name)
    return str(name) if good else ""


def _home() -> str:
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.join("~", ".cache")
    home = os.environ.get("HF_HOME") or os.path.join(cache, "huggingface")
    return os.path.expanduser(home)


def _cache() -> Path:
    named = os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE")
    return Path(os.path.expanduser(named) if named else os.path.join(_home(), "hub"))


HUB = HuggingFace()
