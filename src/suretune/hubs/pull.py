"""One repository, looked at and fetched: what `--model`, `--dataset` and `suretune pull` use."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from suretune.because import in_words
from suretune.hubs.choose import CARD, PARQUET, Chosen, choose, model_files
from suretune.hubs.door import File, Hub, HubError, Listing, Repo, Snapshot
from suretune.hubs.fetch import Progress, fetch
from suretune.hubs.held import OURS, digest_of
from suretune.hubs.names import hubs
from suretune.types import Text

NO_MODEL = Text("no config.json, no weights", "没有 config.json，也没有权重")
CARD_MOST = 4 << 20  # bytes of a card that is read


@dataclass(frozen=True, slots=True)
class Pulled:
    """Files of a repository, and how they were chosen."""

    snapshot: Snapshot
    files: tuple[Path, ...]  # of a dataset: its data files, in order
    chosen: Chosen | None = None
    offline: str = ""  # why the cache alone was used, where it was


@dataclass(frozen=True, slots=True)
class Fetched:
    """Something of a hub that a run uses: as it was typed, as it is named from now on, what lies
    here of it, why from this hub (`which_hub`), and why without a network, where it was."""

    typed: str
    spec: str  # with hub and commit
    snapshot: Snapshot
    why: str = ""
    offline: str = ""

    def line(self) -> dict[str, Any]:
        """For the run's own record: what a resume is held to."""
        repo = self.snapshot.repo
        return {
            "kind": repo.kind,
            "typed": self.typed,
            "hub": repo.hub,
            "id": repo.id,
            "commit": self.snapshot.commit,
            "files": dict(self.snapshot.files),
        }


class Watching:
    """Somebody who is shown what is fetched; this one looks away."""

    def chosen(self, listing: Listing, files: Sequence[File]) -> None:
        """Before the first byte: these files, with their sizes, are wanted."""

    def arrived(self, progress: Progress) -> None:
        """Some more is here; called from any thread, one at a time."""


NOBODY = Watching()
WATCHING: ContextVar[Watching] = ContextVar("watching", default=NOBODY)


def pull_model(repo: Repo, *, weights: bool) -> Pulled:
    """Config, tokenizer, template and, if asked, the weights of a model.

    Raises:
        HubError: what could not be had; "disk" where the cache does not take it.
    """
    hub = hubs()[repo.hub]
    with _on_disk():
        listing, offline = _listed(hub, repo)
        files = model_files(listing.files, weights=weights)
        if not files:
            raise HubError("missing", NO_MODEL)
        return Pulled(
            _fetched(hub, listing, files, offline),
            (),
            None,
            offline,
        )


@contextmanager
def _on_disk() -> Iterator[None]:
    """What the network raises is `HubError` already: the rest is the cache's."""
    try:
        yield
    except OSError as error:
        raise HubError("disk", in_words(error)) from error


def pull_dataset(
    repo: Repo,
    subsets: Sequence[str],
    role: str,
) -> Pulled:
    """A dataset's data files of the split that `role` asks for. Where its own cannot be read,
    those that Hugging Face has converted to parquet. `files` is empty where there is none.

    Raises:
        HubError: see `pull_model`.
    """
    with _on_disk():
        return _dataset(hubs()[repo.hub], repo, subsets, role)


def _dataset(
    hub: Hub,
    repo: Repo,
    subsets: Sequence[str],
    role: str,
) -> Pulled:
    listing, offline = _listed(hub, repo)
    chosen = choose(
        listing.files,
        lambda: _card(hub, listing, offline),
        subsets,
        role,
    )
    if not chosen.files and repo.hub == "hf" and not repo.revision and not offline:
        try:
            converted = hub.listing(Repo(repo.hub, repo.kind, repo.id, PARQUET))
        except HubError as error:
            if error.trouble not in ("missing", "no-revision"):
                raise
        else:
            again = choose(converted.files, str, subsets, role)
            if again.files:
                _keep(hub, converted)
                listing, chosen = converted, again
    if not chosen.files:
        return Pulled(
            Snapshot(repo, listing.commit, Path()),
            (),
            chosen,
            offline,
        )
    snapshot = _fetched(hub, listing, chosen.files, offline)
    paths = tuple(snapshot.folder / file.path for file in chosen.files)
    return Pulled(snapshot, paths, chosen, offline)


def _listed(hub: Hub, repo: Repo) -> tuple[Listing, str]:
    """What the hub lists; what was fetched of it, where it is not to be asked or does not answer.
    The second value says which of both: "", "offline" or "unreachable"."""
    if hub.is_offline():
        known = next(_from_cache(hub, repo), None)
        if known is None:
            raise HubError("offline", repo.spec)
        return known, "offline"
    known = next(_from_cache(hub, repo), None)
    if known is not None and _record(hub, repo, repo.revision or "main").is_file():
        return known, ""  # a commit does not change, and this one was listed to the end
    try:
        listing = hub.listing(repo)
    except HubError as error:
        if error.trouble != "unreachable" or known is None:
            raise
        return known, "unreachable"
    _keep(hub, listing)
    return listing, ""


def _record(hub: Hub, repo: Repo, commit: str) -> Path:
    return hub.home(repo) / OURS / f"{commit}.json"


def _keep(hub: Hub, listing: Listing) -> None:
    """The listing beside the files: what is complete is known without a network, too."""
    path = _record(hub, listing.repo, listing.commit)
    files = [[file.path, file.size, file.sha256, file.blob] for file in listing.files]
    told = orjson.dumps({"named": listing.named, "files": files})
    if path.is_file() and path.read_bytes() == told:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}")
    fresh.write_bytes(told)
    os.replace(fresh, path)


def _from_cache(hub: Hub, repo: Repo) -> Iterator[Listing]:
    """What lies in the cache as a listing: as it was told, or, of other clients, as it lies."""
    for commit, folder in hub.cached(repo):
        record = _record(hub, repo, commit)
        if record.is_file():
            told = orjson.loads(record.read_bytes())
            files = tuple(File(*f) for f in told["files"])
            named = commit if repo.revision == commit else told["named"]
            yield Listing(repo, commit, files, named)
        else:
            found = [path for path in sorted(folder.rglob("*")) if path.is_file()]
            inside = [(path, path.relative_to(folder)) for path in found]
            files = tuple(
                _as_it_lies(path, name.as_posix())
                for path, name in inside
                if not any(part[0] == "." for part in name.parts)
            )
            yield Listing(repo, commit, files, commit)


def _as_it_lies(path: Path, name: str) -> File:
    """A file that another client fetched. Hugging Face's links name the content they lead to."""
    content = os.path.basename(os.readlink(path)) if path.is_symlink() else ""
    size = path.stat().st_size
    sha256 = content if re.fullmatch(r"[0-9a-f]{64}", content) else ""
    return File(
        name,
        size,
        sha256,
        content if re.fullmatch(r"[0-9a-f]{40}", content) else "",
    )


def _fetched(
    hub: Hub,
    listing: Listing,
    files: Sequence[File],
    offline: str,
) -> Snapshot:
    """The files on disk: from the cache alone where nothing else is to be had, and held to what
    was listed there, too."""
    if not offline:
        watching = WATCHING.get()
        here = {f.path for f in files if digest_of(hub, listing, f, hub.place(listing, f)[0])}
        if lacking := [file for file in files if file.path not in here]:
            watching.chosen(listing, lacking)
        return fetch(hub, listing, files, watching.arrived)
    for commit, folder in hub.cached(listing.repo):
        if commit == listing.commit:
            if gone := [file.path for file in files if not (folder / file.path).is_file()]:
                raise HubError("offline", ", ".join(gone[:3]))
            digests = {f.path: digest_of(hub, listing, f, folder / f.path) for f in files}
            if altered := [path for path, digest in digests.items() if not digest]:
                raise HubError("altered", ", ".join(altered[:3]))
            return Snapshot(listing.repo, commit, folder, digests)
    raise HubError("offline", listing.repo.spec)


def _card(hub: Hub, listing: Listing, offline: str) -> str:
    """The text of the dataset's README: which files are rows stands in it, so that one that was
    altered is not read."""
    card = next(file for file in listing.files if file.path == CARD)
    if card.size > CARD_MOST:
        return ""
    snapshot = _fetched(hub, listing, [card], offline) if offline else None
    snapshot = snapshot or fetch(hub, listing, [card], lambda _: None)
    return (snapshot.folder / CARD).read_text(encoding="utf-8", errors="replace")
