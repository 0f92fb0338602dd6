"""Data on a hub, fetched and named by its commit before anything is read of it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace

from suretune import typed
from suretune.config import Resolved
from suretune.data.base import Base
from suretune.data.elsewhere import trouble
from suretune.data.sources import Source
from suretune.facts import SetupFacts
from suretune.hubs.choose import Chosen
from suretune.hubs.door import HubError, Kind
from suretune.hubs.names import hubs, parse_name, which_hub
from suretune.hubs.pull import Fetched, Pulled, pull_dataset
from suretune.record.journal import Journal
from suretune.types import Fault, Text

NAMED = 3  # files that are named
MOST_SUBSETS = 8
SHOWN = 12  # digits of a commit that are


def on_its_hub(resolved: Resolved) -> Resolved:
    """`--hub` written in front of every name that it is about: no later stage has to ask."""
    model = resolved.config.model
    named = with_hub(model.model, model.hub, "model")
    return resolved if named == model.model else resolved.with_values("flag: --hub", model=named)


def with_hub(name: str, asked: str, kind: Kind) -> str:
    """The name with the prefix of the hub that `--hub` names; as it is, where that does not say."""
    if asked == "auto" or not name or name == "pocket" or os.path.exists(typed.place(name)):
        return name
    meant = parse_name(name)
    return f"{which_hub(meant, kind, asked)[0]}::{name}" if meant and not meant.hub else name


def fetched(
    groups: Sequence[Sequence[Source | Fault]],
    roles: Sequence[str],
    asked: str,
    journal: Journal,
) -> tuple[list[list[Source | Fault]], list[Fetched]]:
    """The same datasets with their files, and what was fetched for them; stops where one cannot be
    had, with all that is wrong at once. `roles`: what the rows of each group are for."""
    made: list[list[Source | Fault]] = []
    kept: list[Fetched] = []
    for group, role in zip(groups, roles, strict=True):
        made.append([])
        for item in group:
            if not isinstance(item, Source) or not item.hub:
                made[-1].append(item)
                continue
            found = _one(item, role, asked, journal)
            if found is not None:
                source, one = found
                made[-1].append(source)
                kept.append(one)
    journal.settle()
    return made, kept


def _one(
    source: Source,
    role: str,
    asked: str,
    journal: Journal,
) -> tuple[Source, Fetched] | None:
    """This dataset with its files; None where it cannot be had, which is told."""
    meant = parse_name(source.typed)
    if meant is None:
        raise ValueError(source.spec)
    hub, why = which_hub(meant, "dataset", asked)
    repo = meant.repo("dataset", hub)
    try:
        pulled = pull_dataset(repo, meant.subsets, role)
    except HubError as error:
        told = trouble(error, repo)
        journal.look(told if error.trouble == "disk" else replace(told, detail=source.typed))
        return None
    if not pulled.files:
        journal.look(no_rows(source.typed, hub, pulled))
        return None
    commit = pulled.snapshot.commit
    subsets = f":{'/'.join(meant.subsets)}" if meant.subsets else ""
    count = "" if source.count is None else f"#{source.count}"
    spec = f"{hub}::{meant.id}{subsets}@{commit}{count}"
    journal.look(_told(source, pulled, hub, why))
    local = replace(
        source,
        spec=spec,
        files=pulled.files,
        hub=hub,
        folder=pulled.snapshot.folder,
        revision=commit,
    )
    return local, Fetched(source.spec, spec, pulled.snapshot, why, pulled.offline)


def no_rows(name: str, hub: str, pulled: Pulled) -> SetupFacts:
    """A dataset that is there and in which nothing can be read: why, and which subset could be."""
    chosen = pulled.chosen or Chosen(())
    hint, instead = Text("", ""), ""
    if chosen.subset and chosen.others:
        some = chosen.others[:MOST_SUBSETS]
        hint = Text(
            f"It has no subset `{chosen.subset}`, but {', '.join(some)}.",
            f"它没有 `{chosen.subset}` 这个子集，有的是 {'、'.join(some)}。",
        )
        if meant := parse_name(name):
            at = f"@{meant.revision}" if meant.revision else ""
            instead = f"{hub}::{meant.id}:{some[0]}{at}"
    elif chosen.scripts:
        script = chosen.scripts[0]
        hint = Text(
            f"Its rows are made by a script ({script}), and scripts are not run.",
            f"它的数据由脚本（{script}）生成，而脚本不会被执行。",
        )
    return SetupFacts(
        "hub-dataset",
        name,
        instead,
        "dataset",
        hub,
        hint,
    )


def _told(
    source: Source,
    pulled: Pulled,
    hub: str,
    why: str,
) -> SetupFacts:
    """What was taken, from where, and why from there."""
    names: list[str] = []
    kept: list[str] = []
    if pulled.chosen:
        names = [file.path for file in pulled.chosen.files]
        for split, paths in pulled.chosen.kept.items():
            kept.append(f"{split}: {', '.join(paths[:2])}")
    reason = _reason(hub, why, pulled.offline)
    commit = pulled.snapshot.commit
    return _came(source.typed, names, commit, ", ".join(kept), reason)


def _came(
    name: str,
    files: Sequence[str],
    commit: str,
    kept: str,
    reason: Text,
) -> SetupFacts:
    found = ", ".join(files[:NAMED])
    if len(files) > NAMED:
        found += f" (+{len(files) - NAMED})"
    return SetupFacts(
        "hub-fetched",
        name,
        found,
        commit[:SHOWN],
        kept,
        reason,
    )


def pinned(
    resolved: Resolved,
    base: Base,
    journal: Journal,
) -> Resolved:
    """The model of a hub named by its commit from now on, which is told; the config as it is for a
    model that lies on this machine."""
    got = base.fetched
    if got is None:
        return resolved
    snapshot = got.snapshot
    reason = _reason(snapshot.repo.hub, got.why, got.offline)
    files = list(snapshot.files)
    journal.look(_came(got.typed, files, snapshot.commit, "", reason))
    return resolved.with_values(resolved.origins.get("model", "flag"), model=got.spec)


def _reason(hub: str, why: str, offline: str) -> Text:
    """Why this hub, where the name does not say it, and whether the network was used."""
    title = hubs()[hub].title
    said = {
        "owner": Text(f"this owner is on {title}", f"这个组织在 {title} 上"),
        "cache": Text(f"{title}'s cache holds it", f"{title} 的缓存里有它"),
        "environment": Text("by the environment", "按环境变量"),
        "--hub": Text("by --hub", "按 --hub"),
        "default": Text("where nothing else is said", "没有另外指定时的默认"),
    }.get(why, Text("", ""))
    if offline:
        said = Text(
            f"{said.en}; from the cache, the hub was not reached".lstrip("; "),
            f"{said.zh}；取自缓存，没有连上下载站".lstrip("；"),
        )
    return Text(
        f"{title}: {said.en}" if said.en else title, f"{title}：{said.zh}" if said.zh else title
    )
