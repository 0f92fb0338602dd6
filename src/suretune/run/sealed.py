"""A sealed run, looked at from outside: are its files what was sealed, and does a server serve it?

No torch here: whoever asks a server may have none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from suretune import rundir, typed
from suretune.data.template import load_tokenizer
from suretune.facts import FlagFacts, SetupFacts
from suretune.record.journal import OK, UNVERIFIED, Journal, Stopped
from suretune.record.meant import Meant, not_sealed, way_back
from suretune.types import Text
from suretune.verify.probes import from_line
from suretune.verify.remote import Remote, Trouble, parse_url
from suretune.verify.served import Sealed, lines, listen, served_facts

NEEDED = 0.9  # share of the answers; other kernels than the seal's change a few
SECONDS = 120.0  # for one answer
# A seal that does not name these proves nothing.
WITHOUT_WHICH = ("probes.jsonl", "proof/request.json", "proof/result.json", "base_answers.json")
# Beside `adapter/` and `proof/`: what a run writes about itself.
READ = (
    "run.json",
    "config.yaml",
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
        about = SetupFacts("checkpoint-damaged", str(run / rundir.SEAL), found, way_back(run))
        raise journal.stop(about)
    return seal


def sealed_names(run: Path) -> list[str]:
    """The files of a run that its seal is about. Checkpoints may be deleted after the proof."""
    found = (path for path in sorted(run.rglob("*")) if path.is_file())
    return [name for path in found if _is_sealed(name := path.relative_to(run).as_posix())]


def _is_sealed(name: str) -> bool:
    """Whether a file of this name, relative to the run, belongs to what a proof was about."""
    top = name.partition("/")[0]
    apart = ("checkpoints", rundir.TRACKERS, rundir.SEAL, rundir.NEWEST, "run.lock")
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
    for name, digest in files.items():
        path = run / name
        if any(
            part.is_symlink()
            for part in (path, *path.parents)
            if part.is_relative_to(run) and part != run
        ):
            yield name, Text("a link is in its place", "换成了链接")
        elif not path.is_file():
            yield name, rundir.GONE
        elif rundir.sha256(path) != digest:
            yield name, rundir.CHANGED


def _added(run: Path, files: Mapping[str, str]) -> Iterator[tuple[str, Text]]:
    """What somebody put where files of a run are read: generation_config.json says where answers
    end. A note beside them is nobody's business."""
    for folder in ("adapter", "proof"):
        for path in sorted((run / folder).rglob("*")):
            name = path.relative_to(run).as_posix()
            if name not in files and (path.is_symlink() or not path.is_dir()):
                yield name, Text("was added", "是后来加的")
    for name in READ:
        if name not in files and (run / name).exists():
            yield name, Text("was added", "是后来加的")


def open_remote(url: str, key: str | None, seconds: float, journal: Journal) -> Remote:
    """The server that `url` means; neither a bad URL's password nor a bad key is repeated."""
    remote = parse_url(url, key or None, seconds)
    if remote is None:
        hint = Text("It looks like http://HOST:PORT/v1.", "形如 http://HOST:PORT/v1。")
        shown = url if "@" not in url else "http://…@…"
        raise journal.stop(FlagFacts("bad-value", "verify", shown, hint=hint))
    if key and not (key.isascii() and key.isprintable()):
        hint = Text("A key is printable ASCII.", "密钥只能由可打印的 ASCII 字符组成。")
        raise journal.stop(FlagFacts("bad-value", "--api_key", "…", hint=hint))
    return remote


def verify_server(
    remote: Remote, run: Path, name: str | None, needed: float, journal: Journal
) -> tuple[dict[str, Any], int]:
    """Whether this server answers as the run was sealed, and the exit status that says so."""
    read_seal(run, journal)
    sealed = _read(run, journal)
    try:
        model = name or _served_name(remote, run, journal)
        heard = listen(remote, model, sealed, needed)
    except Trouble as trouble:
        if trouble.status == 404 and name:
            raise _no_such(name, trouble.found, journal) from trouble
        asked = f"suretune verify {typed.word(remote.url)} --run {typed.path(run)}"
        raise journal.stop(
            SetupFacts(trouble.problem, remote.url, trouble.found, asked)
        ) from trouble
    facts = replace(served_facts(heard, remote.url, model, needed), run=str(run))
    journal.look(facts)
    status = OK
    try:
        journal.settle()
    except Stopped as stopped:
        status = stopped.status
    told = {
        "server": remote.url,
        "model": model,
        "run": str(run),
        "asked": {"answers": facts.asked, "as_sealed": facts.as_sealed, "as_base": facts.as_base},
        "without_system": {
            "answers": facts.default_asked,
            "as_sealed": facts.default_as_sealed,
            "as_template": facts.default_as_template,
        },
        "past_the_template": {"answers": facts.raw_asked, "as_sealed": facts.raw_as_sealed},
        "other_answers": lines(heard.given),
        "findings": [journal.line(finding) for finding in journal.findings],
        "verified": status == OK,
    }
    return told, status if status == OK else UNVERIFIED


def _read(run: Path, journal: Journal) -> Sealed:
    with journal.judging():
        tokenizer = load_tokenizer(run / "adapter")
    probes = [from_line(line) for line in rundir.read_jsonl(run / "probes.jsonl")]
    before: list[str] = rundir.recorded(run / "base_answers.json", "probes")
    after: list[str] = rundir.recorded(run / "proof" / "result.json", "answers", "probes")
    if not len(probes) == len(before) == len(after):
        raise rundir.Damaged(
            run / "probes.jsonl",
            Text(
                f"{len(probes)} probes, {len(after)} answers",
                f"{len(probes)} 个验证问题，{len(after)} 个回答",
            ),
        )
    if not probes:
        hint = Text("This run was sealed without questions.", "这次运行的验证记录里没有验证问题。")
        raise journal.stop(FlagFacts("bad-value", "--run", str(run), hint=hint))
    system: str | None = rundir.read_json(run / "proof" / "request.json").get("system")
    return Sealed(probes, system, before, after, tokenizer)


def _served_name(remote: Remote, run: Path, journal: Journal) -> str:
    """The run's name where the server has it, else the only one there is."""
    names = remote.models()
    if run.name in names:
        return run.name
    if len(names) == 1:
        return names[0]
    raise _no_such(run.name, ", ".join(names), journal)


def _no_such(name: str, found: str | Text, journal: Journal) -> Stopped:
    hint = Text(f"The server says: {found}.", f"服务器上有：{found}。")
    return journal.stop(FlagFacts("bad-value", "--served_model_name", name, hint=hint))
