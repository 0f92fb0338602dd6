"""ModelScope (魔搭).

Routes and cache layout: modelscope-hub 0.5, https://modelscope.cn/docs. What its servers do that
others do not: a small file answers a range with 200 and a Content-Range, an open range may bring
the whole file, a missing file can be 500, and a page of a listing may be refused once for nothing.
The interface names no commit of a branch; git's own route does.
"""

from __future__ import annotations

import hashlib
import os
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

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
from suretune.hubs.login import token_of
from suretune.hubs.push import Local, Upload, uploads
from suretune.hubs.wire import Patience, get, origin, post, shown

DEFAULT = "https://modelscope.cn"
MAIN = "master"
A_PAGE = 200
PRIVATE, PUBLIC = 1, 5  # and 3, which everybody with an account sees
PAGES = 2000
COMMIT = re.compile(r"[0-9a-f]{40}")


class ModelScope:
    """`Hub` for modelscope.cn and what `MODELSCOPE_ENDPOINT` names."""

    name = "ms"
    title = "ModelScope"

    def endpoint(self) -> str:
        """`MODELSCOPE_ENDPOINT` or `MODELSCOPE_DOMAIN`, with https where no scheme is written."""
        named = os.environ.get("MODELSCOPE_ENDPOINT") or os.environ.get("MODELSCOPE_DOMAIN") or ""
        named = named.strip().rstrip("/") or DEFAULT
        return named if "://" in named else f"https://{named}"

    def is_offline(self) -> bool:
        """`MODELSCOPE_OFFLINE`, or Hugging Face's variable, which people set for both."""
        return any(
            os.environ.get(name, "").upper() in ("1", "ON", "YES", "TRUE")
            for name in ("MODELSCOPE_OFFLINE", "HF_HUB_OFFLINE")
        )

    def headers(self) -> dict[str, str]:
        """The token of `MODELSCOPE_API_TOKEN`, else of `modelscope login` at this very host, as
        header and, for older routes, as cookie."""
        token = os.environ.get("MODELSCOPE_API_TOKEN", "").strip()
        token = token or token_of(_home() / "credentials" / "cookies", origin(self.endpoint())[1])
        if not token:
            return {}
        return {"Authorization": f"Bearer {token}", "Cookie": f"m_session_id={token}"}

    def listing(self, repo: Repo) -> Listing:
        """A model folder by folder, a dataset page by page; the commit by git's own route."""
        revision = repo.revision or MAIN
        api = f"{self.endpoint()}/api/v1/{repo.kind}s/{repo.id}/repo"
        if repo.kind == "model":
            entries = list(self._walk(api, revision, ""))
        else:
            entries = list(self._pages(api, revision))
        files = tuple(made for entry in entries if (made := _file(entry)) is not None)
        commit = self._commit(repo, revision) or _digest(files)
        return Listing(repo, commit, files, named=revision)

    def address(self, listing: Listing, file: File) -> str:
        """Files are asked for by revision: the interface takes no commit of a branch."""
        asked = urlencode({"Revision": listing.revision, "FilePath": file.path})
        repo = listing.repo
        return f"{self.endpoint()}/api/v1/{repo.kind}s/{repo.id}/repo?{asked}"

    def home(self, repo: Repo) -> Path:
        """`models/owner--name` in `MODELSCOPE_CACHE`."""
        return _cache() / f"{repo.kind}s" / repo.id.replace("/", "--")

    def place(
        self,
        listing: Listing,
        file: File,
    ) -> tuple[Path, Path]:
        """The snapshot is the store: this hub's client keeps no contents apart."""
        shown = self.home(listing.repo) / "snapshots" / listing.commit / file.path
        return shown, shown

    def remember(self, listing: Listing) -> None:
        """Which commit a branch was stands beside the snapshots: the layout has no place for it."""
        path = self.home(listing.repo) / ".suretune" / f"{listing.revision.replace('/', '-')}.ref"
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}")
        fresh.write_text(listing.commit, encoding="utf-8")
        os.replace(fresh, path)

    def cached(self, repo: Repo) -> Iterator[tuple[str, Path]]:
        """Snapshots of today's client, then the folders of earlier ones."""
        home, revision = self.home(repo), repo.revision or MAIN
        ref = home / ".suretune" / f"{revision.replace('/', '-')}.ref"
        names = [revision]
        if ref.is_file():
            names.insert(0, ref.read_text(encoding="utf-8").strip())
        for name in names:
            if re.fullmatch(r"[\w.-]+", name) and (home / "snapshots" / name).is_dir():
                yield name, home / "snapshots" / name
        if revision == MAIN:  # by which their snapshots are named from now on, too
            owner, _, name = repo.id.partition("/")
            for folder in (
                _cache() / f"{repo.kind}s" / owner / name.replace(".", "___"),
                _cache() / "hub" / f"{repo.kind}s" / owner / name.replace(".", "___"),
                _cache() / "hub" / owner / name.replace(".", "___"),
                _cache() / "hub" / owner / name,
            ):
                if folder.is_dir():
                    yield MAIN, folder

    def create(self, repo: Repo, *, private: bool) -> None:
        """A refusal is none where the repository is there."""
        owner, _, name = repo.id.partition("/")
        asked = {"Path": owner, "Name": name, "Visibility": PRIVATE if private else PUBLIC}
        url = f"{self.endpoint()}/api/v1/{repo.kind}s"
        status, _, told = post(url, self.headers(), asked)
        if not _is_good(status, told) and not self._is_there(repo):
            raise _refused(status, told, origin(url)[1])

    def _is_there(self, repo: Repo) -> bool:
        status, _, _ = get(f"{self.endpoint()}/api/v1/{repo.kind}s/{repo.id}", self.headers())
        return status == 200

    def is_private(self, repo: Repo) -> bool:
        """`Visibility` of the repository."""
        url = f"{self.endpoint()}/api/v1/{repo.kind}s/{repo.id}"
        status, _, body = get(url, self.headers())
        told = _read(body, status, origin(url)[1])
        if not _is_good(status, told):
            raise _refused(status, told, origin(url)[1])
        data = told.get("Data")
        seen = data.get("Visibility") if isinstance(data, dict) else None
        if not isinstance(seen, int):
            raise HubError("refused", NO_VISIBILITY, origin(url)[1])
        return seen == PRIVATE

    def wanted(
        self,
        repo: Repo,
        files: Sequence[Local],
    ) -> dict[str, Upload]:
        """Git LFS's batch interface, inside an answer of this hub's own shape."""
        api = f"{self.endpoint()}/api/v1/repos/{repo.kind}s/{repo.id}"
        objects = [{"oid": file.sha256, "size": file.size} for file in files]
        url = f"{api}/info/lfs/objects/batch"
        status, _, told = post(
            url,
            self.headers(),
            {"operation": "upload", "objects": objects},
        )
        if not _is_good(status, told):
            raise _refused(status, told, origin(url)[1])
        return uploads(told.get("Data"), files, origin(url)[1])

    def commit(
        self,
        repo: Repo,
        files: Sequence[Local],
        message: str,
    ) -> str:
        """One commit: each file an action, the large ones by their sha256."""
        actions = [
            {
                "action": "create",
                "path": file.path,
                "size": file.size,
                "type": "lfs" if file.is_large else "normal",
                "sha256": file.sha256 if file.is_large else "",
                "content": "" if file.is_large else file.base64,
                "encoding": "base64",
            }
            for file in files
        ]
        revision = repo.revision or MAIN
        url = f"{self.endpoint()}/api/v1/repos/{repo.kind}s/{repo.id}/commit/{revision}"
        asked = {"commit_message": message, "actions": actions}
        status, _, told = post(url, self.headers(), asked)
        if not _is_good(status, told):
            raise _refused(status, told, origin(url)[1])
        return str((told.get("Data") or {}).get("oid", ""))

    def page(self, repo: Repo) -> str:
        """The address of the repository for a browser."""
        return f"{shown(self.endpoint())}/{repo.kind}s/{repo.id}"

    def _walk(
        self,
        api: str,
        revision: str,
        root: str,
        depth: int = 0,
    ) -> Iterator[Mapping[str, Any]]:
        """Folder by folder: a recursive listing is cut at some length, and does not say so."""
        asked = {"Revision": revision, "Recursive": "False", **({"Root": root} if root else {})}
        for entry in self._files(f"{api}/files?{urlencode(asked)}"):
            if entry.get("Type") != "tree":
                yield entry
            elif depth < 8 and isinstance(entry.get("Path"), str) and entry["Path"] != root:
                yield from self._walk(api, revision, entry["Path"], depth + 1)

    def _pages(
        self,
        api: str,
        revision: str,
    ) -> Iterator[Mapping[str, Any]]:
        for number in range(1, PAGES):
            asked = {
                "Revision": revision,
                "Recursive": "True",
                "PageNumber": number,
                "PageSize": A_PAGE,
            }
            page = self._files(f"{api}/tree?{urlencode(asked)}")
            yield from page
            if len(page) < A_PAGE:
                return

    def _files(self, url: str) -> list[Mapping[str, Any]]:
        patience, host = Patience(), origin(url)[1]
        patience.left = 3
        while True:
            status, _, body = get(url, self.headers())
            told = _read(body, status, host)
            if status == 200 and told.get("Success", True) is not False:
                break
            patience.wait(_trouble(status, told, host))  # refused once, it is often given next
        data = told.get("Data")
        files = data.get("Files") if isinstance(data, dict) else data
        if files is None:
            return []
        if not isinstance(files, list) or not all(isinstance(entry, dict) for entry in files):
            raise HubError("unreachable", NO_LISTING, host)
        return files

    def _commit(self, repo: Repo, revision: str) -> str:
        """The commit of a branch or tag, as git is told; empty where git is not answered."""
        if COMMIT.fullmatch(revision):
            return revision
        place = "" if repo.kind == "model" else "datasets/"
        url = f"{self.endpoint()}/{place}{repo.id}.git/info/refs?service=git-upload-pack"
        patience = Patience()
        patience.left = 2
        try:
            agent = {"User-Agent": "git/2.40"}
            status, _, body = get(
                url,
                self.headers(),
                agent,
                patience=patience,
            )
        except HubError:
            return ""
        wanted = {f"refs/heads/{revision}".encode(), f"refs/tags/{revision}".encode()}
        for line in body.split(b"\n") if status == 200 else ():
            found = re.fullmatch(rb"(?:[0-9a-f]{4})*([0-9a-f]{40}) ([^\0 ]+)(?:\0.*)?", line)
            if found and found[2] in wanted:
                return found[1].decode()
        return ""


def _is_good(status: int, told: Any) -> bool:
    """200 with `Success: false` is a refusal here."""
    return status == 200 and isinstance(told, dict) and told.get("Success", True) is not False


def _refused(status: int, told: Any, host: str) -> HubError:
    why = told.get("Message", "") if isinstance(told, dict) else ""
    return HubError(
        "refused",
        f"HTTP {status} {why}".strip()[:200],
        host,
    )


def _digest(files: tuple[File, ...]) -> str:
    """A name for this content where no commit is told: 40 digits of a hash over all hashes."""
    told = "\n".join(f"{file.path} {file.size} {file.content}" for file in sorted(files, key=_path))
    return hashlib.sha256(told.encode()).hexdigest()[:40]


def _path(file: File) -> str:
    return file.path


def _trouble(
    status: int,
    told: Mapping[str, Any],
    host: str,
) -> HubError:
    found = f"HTTP {status} {told.get('Message') or ''}".strip()[:200]
    if "gated" in found.lower() or "license" in found.lower():
        return HubError("gated", found, host)
    if "revision" in found.lower():
        return HubError("no-revision", found, host)
    if status == 404 or (status == 200 and told.get("Code") == 404):
        return HubError("missing", found, host)
    return HubError("refused", found, host)


def _read(body: bytes, status: int, host: str) -> Mapping[str, Any]:
    try:
        told = orjson.loads(body)
    except ValueError as error:
        if status != 200:
            return {}
        raise HubError("unreachable", NO_JSON, host) from error
    return told if isinstance(told, dict) else {"Data": told}


def _file(entry: Mapping[str, Any]) -> File | None:
    if entry.get("Type") == "tree":
        return None
    path, size, digest = entry.get("Path"), entry.get("Size"), entry.get("Sha256") or ""
    if not isinstance(path, str) or not isinstance(size, int) or size < 0:
        raise HubError("unsafe", UNSIZED)
    good = isinstance(digest, str) and re.fullmatch(r"[0-9a-f]{64}", digest)
    return File(path, size, digest if good else "")


def _home() -> Path:
    return Path(os.path.expanduser(os.environ.get("MODELSCOPE_HOME") or "~/.modelscope"))


def _cache() -> Path:
    named = os.environ.get("MODELSCOPE_CACHE") or os.path.join("~", ".cache", "modelscope")
    return Path(os.path.expanduser(named))


HUB = ModelScope()
