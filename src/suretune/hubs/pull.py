"""One repository, looked at and fetched: what `--model`, `--dataset` and `suretune pull` use."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

import orjson

from suretune.hubs.choose import CARD, PARQUET, Chosen, choose, model_files
from suretune.hubs.door import File, Hub, HubError, Listing, Repo, Snapshot
from suretune.hubs.fetch import Progress, fetch
from suretune.hubs.names import hubs
from suretune.types import Text

CARD_MOST = 4 << 20  # bytes of a card that is read


@dataclass(frozen=True, slots=True)
class Pulled:
    """Files of a repository, and how they were chosen."""

    snapshot: Snapshot
    files: tuple[Path, ...]  # of a dataset: its data files, in order
    chosen: Chosen | None = None
    offline: str = ""  # why the cache alone was used, where it was


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
        HubError, OSError: see `fetch`.
    """
    hub = hubs()[repo.hub]
    listing, offline = _listed(hub, repo)
    files = model_files(listing.files, weights=weights)
    if not files:
        raise HubError(
            "missing", Text("no config.json, no weights", "没有 config.json，也没有权重")
        )
    return Pulled(_fetched(hub, listing, files, offline), (), None, offline)


def pull_dataset(repo: Repo, subsets: Sequence[str], role: str) -> Pulled:
    """A dataset's data files of the split that `role` asks for. Where its own cannot be read,
    those that Hugging Face has converted to parquet. `files` is empty where there is none.

    Raises:
        HubError, OSError: see `fetch`.
    """
    hub = hubs()[repo.hub]
    listing, offline = _listed(hub, repo)
    chosen = choose(listing.files, lambda: _card(hub, listing), subsets, role)
    if not chosen.files and repo.hub == "hf" and not repo.revision and not offline:
        try:
            converted = hub.listing(Repo(repo.hub, repo.kind, repo.id, PARQUET))
        except HubError as error:
            if error.trouble not in ("missing", "no-revision"):
                raise
        else:
            again = choose(converted.files, str, subsets, role)
            if again.files:
                listing, chosen = converted, again
    if not chosen.files:
        return Pulled(Snapshot(repo, listing.commit, Path()), (), chosen, offline)
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
    return hub.home(repo) / ".suretune" / f"{commit}.json"


def _keep(hub: Hub, listing: Listing) -> None:
    """The listing beside the files: what is complete is known without a network, too."""
    path = _record(hub, listing.repo, listing.commit)
    path.parent.mkdir(parents=True, exist_ok=True)
    files = [[file.path, file.size, file.sha256, file.blob] for file in listing.files]
    fresh = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}")
    fresh.write_bytes(orjson.dumps({"named": listing.named, "files": files}))
    os.replace(fresh, path)


def _from_cache(hub: Hub, repo: Repo) -> Iterator[Listing]:
    """What lies in the cache as a listing: as it was told, or, of other clients, as it lies."""
    for commit, folder in hub.cached(repo):
        record = _record(hub, repo, commit)
        if record.is_file():
            told = orjson.loads(record.read_bytes())
            yield Listing(repo, commit, tuple(File(*f) for f in told["files"]), told["named"])
        else:
            found = [path for path in sorted(folder.rglob("*")) if path.is_file()]
            files = [
                File(str(p.relative_to(folder)), p.stat().st_size)
                for p in found
                if not any(part[0] == "." for part in p.relative_to(folder).parts)
            ]
            yield Listing(repo, commit, tuple(files), commit)


def _fetched(hub: Hub, listing: Listing, files: Sequence[File], offline: str) -> Snapshot:
    """The files on disk: from the cache alone where nothing else is to be had."""
    if not offline:
        watching = WATCHING.get()
        watching.chosen(listing, files)
        return fetch(hub, listing, files, watching.arrived)
    for commit, folder in hub.cached(listing.repo):
        if commit == listing.commit:
            gone = [file.path for file in files if not (folder / file.path).is_file()]
            if gone:
                raise HubError("offline", ", ".join(gone[:3]))
            return Snapshot(listing.repo, commit, folder)
    raise HubError("offline", listing.repo.spec)


def _card(hub: Hub, listing: Listing) -> str:
    """The text of the dataset's README."""
    card = next(file for file in listing.files if file.path == CARD)
    if card.size > CARD_MOST:
        return ""
    for commit, folder in hub.cached(listing.repo):
        if commit == listing.commit and (folder / CARD).is_file():
            return (folder / CARD).read_text(encoding="utf-8", errors="replace")
    snapshot = fetch(hub, listing, [card], lambda _: None)
    return (snapshot.folder / CARD).read_text(encoding="utf-8", errors="replace")
