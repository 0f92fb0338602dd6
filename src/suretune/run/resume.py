"""Going on where a run stopped: the same plan, the last complete checkpoint, nothing else."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields, replace
from datetime import date
from pathlib import Path
from typing import Any

from suretune import rundir, typed
from suretune.events import Resumed
from suretune.facts import SetupFacts
from suretune.guards.guard import some
from suretune.options_full import FullOptions
from suretune.options_lora import ALL_LAYERS, LoraOptions
from suretune.preflight.check import Checked, check, with_weights
from suretune.preflight.summary import data_of
from suretune.record.journal import DATA, USAGE, Journal, Stopped
from suretune.record.lock import is_busy, is_taken
from suretune.record.meant import made_again
from suretune.record.record import EVALS, STEPS, said_up_to
from suretune.record.whatitis import never_began
from suretune.run.budget import cut
from suretune.run.folder import ledger_lines, of_hubs, read_config, settings, write_config
from suretune.run.recovery import drop_checkpoints, retell
from suretune.run.state import Fit
from suretune.train import checkpoint
from suretune.train.place import here
from suretune.tuning.full import ADAMW
from suretune.types import Evaluation, Text

PLAN = "plan (rows or flags)"
# Rows that are not there at all.
PUT_BACK = ("file-missing", "hub-dataset", "hub-no-dataset", "no-rows", "not-the-data")


def reopen(run: Path, journal: Journal, processes: int | None = None) -> Checked:
    """The run as it was asked for; stops if rows, flags or base would now give another plan.

    `processes`: that shall go on with it, None for as many as before; the plan is the same.
    """
    if not (run / "run.json").is_file():
        raise journal.stop(never_began(run))
    if is_busy(run):  # what lies there changes while it is read
        raise journal.stop(is_taken(run))
    for _, path in rundir.checkpoints(run):  # before anything of it is read, or deleted
        if (found := checkpoint.foreign_format(path)) is not None:
            raise journal.stop(another_version(path, found, run / "run.json"))
    asked = read_config(run / "config.yaml")
    if processes is not None:
        asked = asked.with_values("flag", num_gpus=processes)
    elif here().size > 1:  # whatever began it
        asked = asked.with_values("torchrun: WORLD_SIZE", num_gpus=here().size)
    journal.heed([*journal.ignore, *asked.config.run.ignore])
    # Its rows are looked at by going on; the resume's own options name neither model nor rows.
    journal.again = lambda *_: f"suretune resume {typed.path(run)}"
    try:
        checked = with_weights(check(asked, journal, _day(run / "run.json")), journal)
    except Stopped as stopped:
        if (facts := _changed_by(stopped, run)) is None:
            raise
        raise journal.stop(facts) from stopped
    then = rundir.recorded(run / "plan.json", "digest")
    decided = rundir.recorded(run / "plan.json", "schedule", "total")
    if asked.config.schedule.budget and decided < checked.plan.schedule.total:
        checked = cut(checked, decided)
    base = rundir.recorded(run / "run.json", "base", "fingerprint")
    begun = rundir.recorded(run / "run.json", "settings")
    settled = {"anchors_per_row": 1.0, **_younger(), **begun}
    changed = [
        name
        for name, before, now in (
            (PLAN, then, checked.plan.digest),
            ("base", base, checked.base.fingerprint()),
            *((name, settled.get(name), now) for name, now in settings(checked.resolved).items()),
        )
        if before != now
    ]
    changed += _other_files(run / "run.json", checked)
    if changed == [PLAN]:
        raise journal.stop(_changed_rows(run, checked))
    if changed:
        raise journal.stop(_changed(run, ", ".join(changed)))
    if processes is not None:  # it can go on so: a later resume does, too
        write_config(run / "config.yaml", asked)
    return checked


def _changed_by(stopped: Stopped, run: Path) -> SetupFacts | None:
    """What must have changed since a run began, if a check stops that it passed then; None where
    that is no change of what it learns, or the finding says better what to put back."""
    first = next(finding for finding in stopped.findings if finding.stops)
    if first.code.startswith("C") or first.name in PUT_BACK:
        return None
    if stopped.status == DATA:
        where = f"{first.where} ({first.code} {first.name})"
        hint = Text(f", {where}", f"，{where}")
        return _changed(run, "rows", hint)
    if stopped.status != USAGE:
        return None
    return _changed(run, PLAN)


def _changed(run: Path, what: str, hint: Text | None = None) -> SetupFacts:
    """The facts for what has changed, with the command that begins the run anew."""
    return SetupFacts(
        "changed-since",
        what,
        found=str(run),
        nearest=made_again(run),
        hint=hint,
    )


def _changed_rows(run: Path, checked: Checked) -> SetupFacts:
    """Which rows have other tokens than when the run began, are new or gone; where none is, which
    files were written since: a row may have as many tokens as before."""
    before = _lengths(rundir.read_jsonl(run / "ledger.jsonl"))
    now = _lengths(ledger_lines(checked.entries))
    rows = [row for row in now if now[row] != before.get(row)]
    rows += [row for row in before if row not in now]
    if rows:
        named = some(rows)
        return _changed(run, "rows", Text(f", {named.en}", f"，{named.zh}"))
    since = (run / "run.json").stat().st_mtime
    files = [file for file in data_of(checked).files if Path(file).stat().st_mtime > since]
    if not files:
        return _changed(run, PLAN)
    named = some(files)
    hint = Text(f"; written since it began: {named.en}", f"；开始之后写过的文件：{named.zh}")
    return _changed(run, PLAN, hint)


def _lengths(ledger: Iterable[Mapping[str, Any]]) -> dict[str, tuple[int, int]]:
    """Tokens and learned tokens of every row that came to samples, by its place."""
    found = {}
    for line in ledger:
        if line.get("samples"):
            found[str(line["row"])] = line.get("tokens", 0), line.get("learned", 0)
    return found


def _younger() -> dict[str, Any]:
    """Settings that runs of earlier versions do not tell, as those trained."""
    usual = LoraOptions()
    variants = ("use_dora", "lorap_lr_ratio", "init_weights")
    whole = {name: _json(value) for name, value in asdict(FullOptions()).items()}
    earlier = {"optim": ADAMW, "layers_to_transform": [ALL_LAYERS]}
    return {**{name: getattr(usual, name) for name in variants}, **whole, **earlier}


def _json(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _other_files(about: Path, checked: Checked) -> list[str]:
    """Files of hubs that hold something else than when the run was begun: of a cache whose files
    have no hash of the hub's own, or of a branch where no commit was told."""
    then: dict[str, list[str]] = {}
    try:
        for one in rundir.read_json(about).get("fetched") or ():
            for path, digest in one["files"].items():
                name = f"{one['hub']}::{one['id']}/{path}"
                then.setdefault(name, []).append(digest)
    except (AttributeError, KeyError, TypeError) as error:
        raise rundir.Damaged(about, error) from error
    changed = []
    for one in of_hubs(checked):
        repo = one.snapshot.repo
        for path, digest in one.snapshot.files.items():
            name = f"{repo.hub}::{repo.id}/{path}"
            if digest not in then.get(name, [digest]):
                changed.append(name)
    return changed


def go_on_in(run: Path) -> Path:
    """The folder from which the run's relative paths are to be read.

    Where it was begun; or, if all was moved together, where that folder is now; or the current
    one: the first in which most of its files are.
    """
    config = read_config(run / "config.yaml").config
    words = [
        *config.data.dataset,
        *config.data.val_dataset,
        *config.proof.general,
        config.model.model,
        config.model.chat_template,
        config.proof.probes,
        config.proof.skills,
    ]
    names = [re.sub(r"#\d+$", "", word) for word in words if word]
    told = rundir.read_json(run / "run.json")
    folders = [Path.cwd()]
    if isinstance(begun := told.get("folder"), str):
        seen = os.path.relpath(begun, str(told.get("run") or run))
        folders = [Path(begun), Path(os.path.normpath(run / seen)), *folders]
    there = [folder for folder in folders if folder.is_dir()]
    return max(there, key=lambda folder: sum((folder / name).exists() for name in names))


def usable(run: Path, checkpoint: Path, journal: Journal) -> None:
    """A stop, before anything is loaded, if a run cannot go on from this checkpoint of it."""
    if checkpoint not in dict(rundir.checkpoints(run)).values():
        found: Text | None = rundir.named(rundir.MANIFEST, rundir.GONE)
    else:
        found = rundir.damage(checkpoint)
    if found:
        goes_on = f"suretune resume {typed.path(run)}"
        raise journal.stop(SetupFacts("checkpoint-damaged", str(checkpoint), found, goes_on))


def _day(about: Path) -> date | None:
    """The day that the prompts of this run say it is, if its template says one."""
    day = rundir.read_json(about).get("day")
    try:
        return date.fromisoformat(day) if day else None
    except (TypeError, ValueError) as error:
        raise rundir.Damaged(about, error) from error


def another_version(path: Path, found: str, about: Path) -> SetupFacts:
    """What is read here, and who wrote the other, if `about` says it."""
    told = rundir.read_json(about) if about.is_file() else {}
    versions = told.get("versions", told)  # of run.json; suretune.json has it at the top
    version = versions.get("suretune", "") if isinstance(versions, dict) else ""
    reads = f"{checkpoint.FORMAT} {version}".strip()
    return SetupFacts("another-version", str(path), found=found, nearest=reads)


def continue_from(job: Fit, named: Path | None = None) -> int:
    """Restore the newest undamaged checkpoint; the updates done, 0 if there is none.

    What the log says about later updates is taken back: they will be made again. With a checkpoint
    `named`, it is that one or a stop, and later ones are made again, too.
    """
    folder = job.run / "checkpoints"
    if folder.is_dir():
        rundir.sweep(folder)
    rundir.sweep(job.run)  # an adapter half copied
    done, goes_on = 0, f"suretune resume {typed.path(job.run)}"
    for step, path in reversed(rundir.checkpoints(job.run)):
        if named is not None and path.name != named.name:
            continue
        if found := rundir.damage(path) or _foreign(path, job):
            about = SetupFacts("checkpoint-damaged", str(path), found, goes_on)
            if named is not None:
                raise job.journal.stop(about)
            job.journal.look(replace(about, spare="passed over"), stops=False)
            continue
        done = checkpoint.restore(path, job.learner)
        checkpoint.restore_recovery(path, job.learner)
        job.journal.event("resumed", step=step)
        break
    retell(job)
    try:
        evals = [evaluation_of(line) for line in said_up_to(job.run / EVALS, done)]
    except TypeError as error:
        raise rundir.Damaged(job.run / EVALS, error) from error
    job.evals = evals if done else []
    # Damaged or another plan's, they must not count as the newest; the kill may have come before
    # the pointers. They go before the logs do: a later one needs the later evaluations.
    drop_checkpoints(job, done)
    job.resumed = done
    job.journal.on(Resumed(done))
    logged = {said["step"] for said in said_up_to(job.run / STEPS, done)}
    if lost := sorted(set(range(1, done + 1)) - logged):
        found = Text(
            f"{len(lost)} of {done} updates are missing, the first is {lost[0]}",
            f"{done} 次更新里缺少 {len(lost)} 次，第一个是第 {lost[0]} 次",
        )
        log = SetupFacts("checkpoint-damaged", str(job.run / STEPS), found, spare="log")
        job.journal.look(log, stops=False)
    if not done:
        (job.run / EVALS).unlink(missing_ok=True)
    checkpoint.keep(job.run, job.checked.resolved.config.schedule.save_total_limit)
    return done


def _foreign(path: Path, job: Fit) -> Text | None:
    """Whose checkpoint this is, if it is not this run's; None if it is."""
    plan = rundir.read_json(path / rundir.MANIFEST).get("plan")
    if plan == job.checked.plan.digest:
        return None
    return Text("it belongs to another plan", "它属于另一份训练计划")


def evaluation_of(line: Mapping[str, Any]) -> Evaluation:
    """As this version, or an earlier one, wrote it."""
    known = {field.name for field in fields(Evaluation)}
    return Evaluation(**{name: value for name, value in line.items() if name in known})
