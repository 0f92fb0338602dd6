"""What went wrong at a hub, as facts that guards judge."""

from __future__ import annotations

from suretune.because import in_words
from suretune.facts import SetupFacts
from suretune.hubs.door import HubError, Repo
from suretune.hubs.names import hubs
from suretune.types import Text

_PROBLEMS = {
    "gated": "hub-gated",
    "refused": "hub-refused",
    "busy": "hub-busy",
    "unreachable": "hub-unreachable",
    "offline": "hub-unreachable",
    "wrong-hash": "hub-damaged",
    "unsafe": "hub-damaged",
    "altered": "cache-altered",
}
_SAID = {
    "missing": Text(
        "{title} has no {kind} of this name, or it is private and this token does not see it",
        "{title} 上没有这个名字的{kind}，或者它是私有的而当前令牌看不到",
    ),
    "no-revision": Text(
        "{title} has this {kind}, but no revision `{revision}` of it",
        "{title} 上有这个{kind}，但没有 `{revision}` 这个版本",
    ),
    "offline": Text(
        "it is not in the cache, and HF_HUB_OFFLINE or MODELSCOPE_OFFLINE forbids to ask",
        "缓存里没有，而 HF_HUB_OFFLINE 或 MODELSCOPE_OFFLINE 不允许联网",
    ),
    "unsafe": Text(
        "its list of files cannot be used, and nothing of it was fetched",
        "文件列表不能使用，什么都没有下载",
    ),
}
_KINDS = {"model": Text("model", "模型"), "dataset": Text("dataset", "数据集")}


def trouble(error: HubError, repo: Repo) -> SetupFacts:
    """`detail`: owner/name, or the folder of the cache that fails; `spare`: the prefix of the hub;
    `nearest`: model or dataset; `hint`: a sentence where the hub's own word says less; `found`:
    what it said, and who."""
    gone = "model-missing" if repo.kind == "model" else "hub-no-dataset"
    problem = _PROBLEMS.get(error.trouble, gone)
    hint = _SAID.get(error.trouble)
    if hint is not None:
        kind, title = _KINDS[repo.kind], hubs()[repo.hub].title
        hint = Text(
            hint.en.format(title=title, kind=kind.en, revision=repo.revision),
            hint.zh.format(title=title, kind=kind.zh, revision=repo.revision),
        )
    said = error.found if isinstance(error.found, Text) else in_words(error.found)
    host = error.host
    found = Text(f"{host}: {said.en}", f"{host}：{said.zh}") if host else said
    if error.trouble == "disk":
        folder = str(hubs()[repo.hub].home(repo))
        return SetupFacts(
            "output-not-writable",
            folder,
            found,
            spare=repo.hub,
        )
    if problem == "model-missing":  # there, `nearest` is a name that may have been meant
        return SetupFacts(problem, repo.spec, found, hint=hint)
    name = repo.spec if problem == "cache-altered" else repo.id
    return SetupFacts(
        problem,
        name,
        found,
        repo.kind,
        repo.hub,
        hint,
    )
