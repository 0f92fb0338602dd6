"""`check`, `train`, `resume`, `verify`: what the verbs of these names do, without a terminal."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from functools import partial
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from suretune import rundir
from suretune.api import job
from suretune.api.arguments import listeners_of, path_of
from suretune.api.asked import resolved_of
from suretune.api.errors import Interrupted, refusing
from suretune.api.keywords import Options
from suretune.api.results import Plan, Run, Verified
from suretune.events import Listener
from suretune.facts import FlagFacts
from suretune.preflight.again import command_of, look_again
from suretune.preflight.check import Checked
from suretune.preflight.summary import data_summary, plan_summary
from suretune.record.journal import GUARD, Journal, Stopped
from suretune.record.meant import Meant, not_sealed, run_meant
from suretune.reported import Report
from suretune.run.onward import where_it_is
from suretune.words import Language

if TYPE_CHECKING:
    from typing_extensions import Unpack

Place = str | PathLike[str]
Rows = Place | Sequence[Place]


def check(
    model: Place,
    dataset: Rows,
    *,
    language: Language | None = None,
    **options: Unpack[Options],
) -> Plan:
    """Everything but the training, as `suretune check`: rows, tokens, plan; torch is not imported.

    `dataset`: files, folders or names on a hub. `language`: of messages, "en" or "zh"; the
    environment's when not given. Raises Refused with every finding at once.
    """
    with refusing(language, "sft"):
        checked, journal = _looked(model, dataset, options)
        plan = plan_summary(checked)
        return Plan(
            rows=plan["rows"],
            held_out=plan["held_out"],
            updates=plan["updates"],
            tokens=plan["tokens"],
            learned=plan["learned"],
            system=checked.system,
            findings=tuple(journal.findings),
            data=data_summary(checked),
            settings={
                name: value
                for name, value, origin in checked.resolved.items()
                if origin != "default"
            },
            command=command_of("sft", checked.resolved),
        )


def train(
    model: Place,
    dataset: Rows,
    *,
    listeners: Sequence[Listener] = (),
    language: Language | None = None,
    **options: Unpack[Options],
) -> Run:
    """Train an adapter and prove it, as `suretune sft`.

    `dataset` and `language` as for `check`; a `budget` counts from this call. `listeners`: each
    has `on(event)`, called on this thread with what happens (suretune.events); one that raises
    hears nothing more, and the run goes on. With torchrun all processes call it, and the first one
    alone comes back: in the others it ends with SystemExit. Raises Refused for
    what cannot begin, or cannot go on for want of memory or disk; Interrupted after a signal. A
    run that a guard ended, or whose proof did not hold, is a Run: its verdict says so.
    """
    job.follow_if_told()
    began = time.perf_counter()
    with refusing(language, "sft"):
        told = listeners_of(listeners)
        checked, journal = _looked(model, dataset, options)
        journal.began = began
        return _trained(checked, journal, told)


def resume(
    run: Place,
    *,
    listeners: Sequence[Listener] = (),
    language: Language | None = None,
) -> Run:
    """Go on with a run from its last complete checkpoint, or from the checkpoint that is named.

    A run that is sealed already is given back as it is. Relative paths of a run that was begun in
    another folder are read from there: while it goes on, that is the process's folder. Raises
    Refused if rows, options or base would now give another plan.
    """
    job.follow_if_told()
    from suretune.run.resume import go_on_in, reopen, usable

    began = time.perf_counter()
    with refusing(language, "resume"):
        journal = Journal(verb="resume")
        journal.began = began
        told = listeners_of(listeners)
        found = run_meant(path_of(run, "run"), journal, "suretune resume")
        folder = _run_of(found)
        if (folder / rundir.SEAL).is_file():
            return _judged(folder, ())
        if found.checkpoint:
            usable(folder, found.checkpoint, journal)
        here = (folder / "run.json").is_file()
        with job.standing_in(go_on_in(folder) if here else Path.cwd()):
            checked = reopen(folder, journal)
            return _trained(
                checked,
                journal,
                told,
                folder,
                found.checkpoint,
            )


def verify(run: Place, *, language: Language | None = None) -> Verified:
    """Hold a sealed run against its files, and prove it once more in a fresh process.

    Raises Refused for a run that has no seal, and for a file that differs from it.
    """
    with refusing(language, "verify"):
        journal = Journal(verb="verify")
        found = run_meant(path_of(run, "run"), journal, "suretune verify")
        if found.checkpoint:
            raise journal.stop(not_sealed(found, serving=False))
        from suretune.record.sealed import read_seal
        from suretune.verify.fresh import Prover

        folder = _run_of(found)
        sealed = read_seal(folder, journal)
        with closing(Prover()) as prover:
            from suretune.speak.answer import recheck

            told = recheck(folder, sealed, journal, prover)
        return Verified(
            ok=told["verified"],
            files=told["files"],
            probes=told["probes"],
            same_answers=told["same_answers"],
            same_base=told["same_base"],
            logits_gap=told["logits_gap"],
            findings=tuple(journal.findings),
        )


def _looked(
    model: Place,
    dataset: Rows,
    options: Mapping[str, Any],
) -> tuple[Checked, Journal]:
    """A run that can begin, and what was noted; or a stop."""
    journal = Journal(verb="sft")
    resolved = resolved_of({"model": model, "dataset": dataset, **options}, journal)
    journal.again = partial(look_again, resolved)
    config = resolved.config
    for flag, given in (("--model", model), ("--dataset", dataset)):
        if given is None:
            journal.look(FlagFacts("missing-flag", flag))
    if not (config.model.model and config.data.dataset):
        journal.settle()
    return job.look(resolved, journal), journal


def _trained(
    checked: Checked,
    journal: Journal,
    listeners: Sequence[Listener],
    run: Path | None = None,
    checkpoint: Path | None = None,
) -> Run:
    """The verdict of a run that can begin, or go on where `run` is its folder."""
    import suretune.run.compose as compose  # before looking ahead: nothing is hidden meanwhile
    from suretune.api.process import as_it_was
    from suretune.run.ahead import looking_ahead
    from suretune.run.fit import Interrupted as BySignal
    from suretune.run.folder import make_run

    resume = run is not None
    with as_it_was(), looking_ahead(checked, journal) as ahead:
        ahead.settle()
        folder = run or make_run(checked.resolved, journal)
        try:
            compose.train_and_prove(
                checked,
                folder,
                journal,
                *listeners,
                resume=resume,
                checkpoint=checkpoint,
                prover=ahead.prover,
            )
        except BySignal as stopped:
            raise Interrupted(folder, stopped.saved) from stopped
        except Stopped as stopped:
            if stopped.status != GUARD or not (folder / "report.json").is_file():
                raise
    return _judged(folder, tuple(journal.findings))


def _judged(run: Path, findings: tuple[Any, ...]) -> Run:
    path = run / "report.json"
    report = Report.of(where_it_is(rundir.recorded(path), run), path)
    return Run(run, report.verdict, findings, report)


def _run_of(found: Meant) -> Path:
    if found.run is None:
        raise ValueError(f"{found.path} is no run")
    return found.run
