"""`pull` and `push`: models and datasets from a hub ahead of time, and a run's adapter to one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from suretune import rundir, typed
from suretune.cli.out import tell, tell_json
from suretune.cli.parse import Command
from suretune.cli.which import around, named_run
from suretune.data.elsewhere import trouble
from suretune.data.folders import LEARNED, MEASURED
from suretune.facts import FlagFacts, SetupFacts
from suretune.hubs.door import HubError, Kind, Repo
from suretune.hubs.names import HubName, hubs, parse_name, which_hub
from suretune.hubs.pull import Pulled, pull_dataset, pull_model
from suretune.hubs.push import Given, push
from suretune.phrases import size
from suretune.preflight.elsewhere import no_rows
from suretune.record.journal import OK, UNVERIFIED, Journal
from suretune.record.meant import not_sealed
from suretune.types import Text
from suretune.words import say


def fetch_ahead(command: Command, journal: Journal) -> int:
    """Everything that is named, into the hubs' own caches; where it lies now."""
    config = command.resolved.config
    words_only, behind = switch(command, "words_only")
    models = [*command.words, *([config.model.model] if config.model.model else []), *behind]
    asked: list[tuple[str, Kind, str]] = [(word, "model", "") for word in models]
    asked += [(word, "dataset", LEARNED) for word in config.data.dataset]
    asked += [(word, "dataset", MEASURED) for word in config.data.val_dataset]
    if not asked:
        typed_so = "suretune pull Qwen/Qwen2.5-7B-Instruct"
        raise journal.stop(FlagFacts("missing-flag", "ID", hint=Text(typed_so, typed_so)))
    weights = not words_only
    told = [_fetched(*one, config.model.hub, weights, journal) for one in asked]
    journal.settle()
    if command.json:
        tell_json({"status": OK, "fetched": told})
    else:
        for one in told:
            tell(f"{one['name']}  {one['folder']}")
    return OK


def _fetched(
    typed_name: str,
    kind: Kind,
    role: str,
    asked: str,
    weights: bool,
    journal: Journal,
) -> dict[str, Any]:
    name = typed_name.rpartition("#")[0] or typed_name
    meant = parse_name(name)
    if meant is None:
        raise journal.stop(_no_name(typed_name))
    hub, why = which_hub(meant, kind, asked)
    repo = meant.repo(kind, hub)
    try:
        pulled = _pulled(repo, meant, role, weights)
    except HubError as error:
        journal.look(trouble(error, repo))
        return {"name": typed_name, "folder": ""}
    if kind == "dataset" and not pulled.files:
        journal.look(no_rows(name, hub, pulled))
        return {"name": typed_name, "folder": ""}
    return {
        "name": typed_name,
        "hub": hub,
        "why": why,
        "commit": pulled.snapshot.commit,
        "folder": str(pulled.snapshot.folder),
        "files": dict(pulled.snapshot.files),
    }


def _pulled(
    repo: Repo,
    meant: HubName,
    role: str,
    weights: bool,
) -> Pulled:
    if repo.kind == "model":
        return pull_model(repo, weights=weights)
    return pull_dataset(repo, meant.subsets, role)


def _no_name(word: str) -> FlagFacts:
    hint = Text(
        "A name on a hub is written owner/name, with hf:: or ms:: in front if it has to be said.",
        "下载站上的名字写作 组织/名称，必要时在前面写 hf:: 或 ms::。",
    )
    return FlagFacts("bad-value", "ID", word, hint=hint)


def give(command: Command, journal: Journal) -> int:
    """The adapter of a run and its card to a hub: private unless asked."""
    public, behind = switch(command, "public")
    unverified, more = switch(command, "unverified")
    words = [*command.words, *behind, *more]
    named = [(word, meant) for word in words if (meant := parse_name(word)) and meant.hub]
    target = named[0][1] if len(named) == 1 else None
    if target is None:
        hint = Text(
            "Name the run and where it goes: suretune push runs/first hf::me/my-adapter",
            "写出运行和目的地：suretune push runs/first hf::me/my-adapter",
        )
        raise journal.stop(FlagFacts("missing-flag", "hf::owner/name", hint=hint))
    run = " ".join(word for word in words if word != named[0][0])
    found = named_run(run, journal, _around(command, run, named[0][0]))
    sealed = found.run is not None and (found.run / rundir.SEAL).is_file()
    if found.run is None or not (sealed or unverified):
        raise journal.stop(replace(not_sealed(found, serving=False), spare="push"))
    if not (rundir.published(found.run) / rundir.MANIFEST).is_file():
        raise journal.stop(not_sealed(found, serving=False))
    repo = Repo(target.hub, "model", target.id, target.revision)
    from suretune.deploy.card import to_give
    from suretune.record.sealed import read_seal

    if sealed:
        read_seal(found.run, journal)  # what was sealed is what is given
    private = not public
    sent: list[str] = []

    def begins(path: str, count: int) -> None:
        sent.append(path)
        told = Text(f"sending {path} ({size(count)})", f"正在上传 {path}（{size(count)}）")
        tell(say(told), err=True)

    try:
        with to_give(found.run, repo) as files:
            given = push(
                hubs()[repo.hub],  # type: ignore[arg-type]
                repo,
                files,
                private=private,
                message=f"suretune: {found.run.name}",
                tell=lambda f: begins(f.path, f.size),
            )
    except HubError as error:
        told = _public(error, command, found.run, repo) or trouble(error, repo)
        raise journal.stop(told) from error
    if command.json:
        tell_json(
            {
                "status": OK,
                "page": given.page,
                "private": given.private,
                "sent": sent,
                "files": [file.path for file in files],
            }
        )
    else:
        tell(say(_seen(given, private)))
    return OK if sealed else UNVERIFIED


def _around(command: Command, run: str, target: str) -> str:
    """The command that was typed, for another run."""
    own = []
    for name in ("public", "unverified"):
        if switch(command, name)[0]:
            own.append(f"--{name}")
    return around(
        command,
        [run, target],
        own,
    )


def _public(
    error: HubError,
    command: Command,
    run: Path,
    repo: Repo,
) -> SetupFacts | None:
    """A repository that everybody sees, with the command for another one, and for this one."""
    if error.trouble != "public":
        return None
    also = ("--unverified",) if "unverified" in command.plain else ()
    again = typed.command(
        "suretune",
        "push",
        run,
        repo.spec,
        "--public",
        *also,
    )
    apart = replace(repo, id=f"{repo.id}-private")
    other = typed.command("suretune", "push", run, apart.spec, *also)
    return SetupFacts(
        "hub-public",
        repo.id,
        error.found,
        nearest=other,
        spare=again,
    )


def _seen(given: Given, private: bool) -> Text:
    """Where it is, and who sees it: what the hub says of it, not what was asked for."""
    seen = Text("private", "私有") if given.private else Text("public", "公开")
    if given.private and not private:
        seen = Text(
            "private as it was before; who sees it is changed on that page",
            "仍是私有，因为它原来就是；要公开请在该页面设置",
        )
    return Text(f"{given.page} ({seen.en})", f"{given.page}（{seen.zh}）")


def switch(command: Command, name: str) -> tuple[bool, list[str]]:
    """Whether a switch is on, and the word behind it that is none of its values: a run, a name."""
    given = command.plain.get(name)
    if given is None:
        return False, []
    if str(given).lower() in ("true", "1", "yes", "on"):
        return True, []
    if str(given).lower() in ("false", "0", "no", "off"):
        return False, []
    return True, [str(given)]
