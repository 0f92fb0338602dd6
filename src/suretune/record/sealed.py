"""A sealed run, looked at from outside: are its files what was sealed? No torch here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from suretune import rundir
from suretune.facts import SetupFacts
from suretune.record.journal import Journal
from suretune.record.lock import LOCK
from suretune.record.meant import CONFIG, Meant, not_sealed, way_back
from suretune.types import Text

# A seal that does not name these proves nothing.
WITHOUT_WHICH = ("probes.jsonl", "proof/request.json", "proof/result.json", "base_answers.json")
# Beside `adapter/` or `model/`, and `proof/`: what a run writes about itself.
READ = (
    "run.json",
    CONFIG,
    "plan.json",
    "ledger.jsonl",
    "report.json",
    "report.html",
    "report.md",
    "questions.json",
    "anchors.jsonl",
    "steps.jsonl",
    "evals.jsonl",
    "events.jsonl",
    "findings.jsonl",
    "dose.json",
    "best",
    "last",
)


NO_LIST = Text("files is no list of names with their hashes", "files 不是“文件名和哈希值”的列表")


def read_seal(run: Path, journal: Journal) -> dict[str, Any]:
    """The seal of a run whose files are all as they were sealed, and no others, or a stop."""
    if not (run / rundir.SEAL).is_file():
        raise journal.stop(not_sealed(Meant(run), serving=False))
    seal: dict[str, Any] = rundir.read_json(run / rundir.SEAL)
    files = rundir.recorded(run / rundir.SEAL, "files")
    if not isinstance(files, dict) or not all(isinstance(each, str) for each in files.values()):
        raise rundir.Damaged(run / rundir.SEAL, NO_LIST)
    odd = [*_strangers(files), *_lost(seal, files)]
    odd += [] if odd else [*_changed(run, files), *_added(run, files)]
    if odd:
        name, what = odd[0]
        more = f" (+{len(odd) - 1})" if odd[1:] else ""
        found = rundir.named(name, what)
        found = Text(f"{found.en}{more}", f"{found.zh}{more}")
        asked = any(name == CONFIG for name, _ in odd)  # it would be made as that says now
        way = way_back(run / CONFIG if asked else run)
        about = SetupFacts(
            "checkpoint-damaged",
            str(run / rundir.SEAL),
            found,
            way,
        )
        raise journal.stop(about)
    return seal


def is_as_sealed(run: Path, folder: Path) -> bool:
    """Whether the manifest in a folder of the run, by which whoever loads it checks its files, is
    the one that the seal names."""
    manifest = folder / rundir.MANIFEST
    try:
        files = rundir.recorded(run / rundir.SEAL, "files")
        return bool(files[manifest.relative_to(run).as_posix()] == rundir.sha256(manifest))
    except (rundir.Damaged, OSError, KeyError, TypeError):
        return False


def expects_manifest(folder: Path) -> bool:
    """Whether there is one, or should be: in a run of ours, its adapter and every checkpoint have
    one. Anybody's adapter may lie in a folder of that name."""
    there = folder.absolute()
    made = there.name in rundir.MADE or there.parent.name == "checkpoints"
    run = there.parents[1] if there.parent.name == "checkpoints" else there.parent
    return (folder / rundir.MANIFEST).is_file() or (made and (run / "run.json").is_file())


def sealed_names(run: Path) -> list[str]:
    """The files of a run that its seal is about. Checkpoints may be deleted after the proof."""
    found = (path for path in sorted(run.rglob("*")) if path.is_file())
    return [name for path in found if _is_sealed(name := path.relative_to(run).as_posix())]


def _is_sealed(name: str) -> bool:
    """Whether a file of this name, relative to the run, belongs to what a proof was about."""
    top = name.partition("/")[0]
    apart = ("checkpoints", rundir.TRACKERS, rundir.SEAL, rundir.NEWEST, LOCK)
    return bool(top) and top not in apart and not top.startswith(("run-", "."))


def _strangers(files: Mapping[str, str]) -> Iterator[tuple[str, Text]]:
    """Names in a seal that are no files of the run, wherever they lead."""
    for name in files:
        path = PurePosixPath(name)
        inside = not path.is_absolute() and ".." not in path.parts and str(path) == name
        if not (inside and _is_sealed(name)):
            yield (
                name,
                Text("is no file of this run that a seal is about", "不是验证记录应当记下的文件"),
            )


def _lost(seal: Mapping[str, Any], files: Mapping[str, str]) -> Iterator[tuple[str, Text]]:
    """What a seal must name, and does not."""
    for name in WITHOUT_WHICH:
        if name not in files:
            yield name, Text("is not named in the seal", "验证记录里没有它")
    if seal.get("names") not in (None, rundir.digest_of(sorted(files))):
        yield (
            "files",
            Text("names were taken out of the seal or put into it", "验证记录里的文件名有增减"),
        )


def _changed(run: Path, files: Mapping[str, str]) -> Iterator[tuple[str, Text]]:
    wrong = {name: _not_there(run, run / name) for name in files}
    found = rundir.digests(
        run,
        [name for name in files if not wrong[name]],
    )
    for name, digest in files.items():
        if what := wrong[name]:
            yield name, what
        elif found[name] != digest:
            yield name, rundir.CHANGED


def _not_there(run: Path, path: Path) -> Text | None:
    """What is in place of a file of the run; None where it is one, whatever it holds."""
    inside = (part for part in (path, *path.parents) if part.is_relative_to(run) and part != run)
    if any(part.is_symlink() for part in inside):
        return Text(
            "a link is in its place",
            "换成了链接",
        )
    return None if path.is_file() else rundir.GONE


def _added(run: Path, files: Mapping[str, str]) -> Iterator[tuple[str, Text]]:
    """What somebody put where files of a run are read: generation_config.json says where answers
    end. A note beside them is nobody's business."""
    for folder in (rundir.ADAPTER, rundir.MODEL, "proof"):
        for path in sorted((run / folder).rglob("*")):
            name = path.relative_to(run).as_posix()
            if name not in files and (path.is_symlink() or not path.is_dir()):
                yield name, Text("was added", "是后来加的")
    for name in READ:
        if name not in files and (run / name).exists():
            yield name, Text("was added", "是后来加的")
