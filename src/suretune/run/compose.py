"""sft, from words to seal: the stages in their order."""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from suretune import rundir
from suretune.data.choose import settled
from suretune.events import Answered, Began, Concluded, Ended, Listener, Planned, Staged
from suretune.facts import JudgedFacts
from suretune.model.device import ran_out, untaken
from suretune.model.generate import counting
from suretune.model.tuned import base_numbers, layer_names
from suretune.preflight.check import Checked, with_weights
from suretune.preflight.flags import parse_seconds
from suretune.preflight.machine import device_notes
from suretune.preflight.whole import is_whole
from suretune.record.journal import INTERNAL, OK, UNMEASURED, Journal, Stopped
from suretune.record.lock import LOCK, only_writer
from suretune.run import folder
from suretune.run.anchors import answer_anchors, with_anchors
from suretune.run.budget import Clock, cut, fitting, is_cut, process_age
from suretune.run.crew import asked_alone, counted, crew, give_out
from suretune.run.dose import Dose, choose_dose, fold, looks_ahead
from suretune.run.evaluate import Judge, WayAnswers, ask_way, on_the_way
from suretune.run.figures import figures, stopped_figures
from suretune.run.fit import (
    Interrupted,
    choose_hardware,
    fit,
    make_fit,
    make_learner,
    no_room,
    open_base,
)
from suretune.run.kept import judge_kept, learned_on_the_way, names_of
from suretune.run.moments import with_moments
from suretune.run.onward import used_in
from suretune.run.prove import (
    Proven,
    kept_checkpoint,
    measure_proof,
    proof_facts,
    publish_adapter,
    ready_proof,
    seal,
)
from suretune.run.prover import make_prover
from suretune.run.questions import derived_parts, keep_questions, make_questions
from suretune.run.recovery import disk_stop, memory_stop
from suretune.run.resume import continue_from
from suretune.run.state import Fit
from suretune.run.tracking import followers
from suretune.train.checkpoint import restore
from suretune.train.door import Engine
from suretune.train.loop import Learner
from suretune.train.world import Alone, World
from suretune.types import Sample
from suretune.verify.fresh import Prover
from suretune.verify.measure import Answers, Questions, answers_of, ask
from suretune.verify.report import html, markdown


@dataclass(slots=True)
class Trained:
    """A finished training, still in memory, and what the base had answered."""

    job: Fit
    questions: Questions
    before: Answers
    clock: dict[str, float]


def train_and_prove(
    checked: Checked,
    run: Path,
    journal: Journal,
    *listeners: Listener,
    resume: bool = False,
    checkpoint: Path | None = None,
    prover: Prover | None = None,
) -> tuple[dict[str, Any], int]:
    """Everything after the check. Returns the report and the exit status.

    `listeners` are told what happens, from `Began` to `Ended`, however it ends. `checkpoint`: from
    which a resume goes on; else from the newest. `prover`: the proof's process, if it was begun
    ahead; it is gone before another may write to the run.
    """
    checked = replace(checked, resolved=counted(checked.resolved))
    with only_writer(run / LOCK, journal):
        if journal.run is None:
            journal.open(run)
        journal.join(*listeners, *followers(checked.resolved.config.run))
        try:
            with closing(prover or make_prover(checked)) as prover:
                report, status = _stages(checked, run, journal, resume, checkpoint, prover)
        except BaseException as error:
            journal.on(_end_of(error))
            raise
        journal.on(Ended(status, tuple(report["reasons"])))
        return report, status


def _end_of(error: BaseException) -> Ended:
    """What listeners are told of a run that did not come to a verdict."""
    if isinstance(error, Stopped):
        return Ended(error.status, tuple(f"{f.code} {f.name}" for f in error.findings if f.stops))
    status = 130 if isinstance(error, KeyboardInterrupt) else INTERNAL
    status = error.status if isinstance(error, Interrupted) else status
    return Ended(status, (type(error).__name__,))


def _stages(
    checked: Checked,
    run: Path,
    journal: Journal,
    resume: bool,
    checkpoint: Path | None,
    prover: Prover,
) -> tuple[dict[str, Any], int]:
    try:
        with crew(checked, run, journal) as world:
            trained = train_only(
                checked,
                run,
                journal,
                prover=prover,
                resume=resume,
                checkpoint=checkpoint,
                world=world,
            )
            return _prove(trained, journal, prover, world)
    except Stopped as stopped:
        try:
            if journal.run and not _has_verdict(run):  # else the folder is gone
                _write_report(run, stopped_figures(checked, run, journal))
        except OSError as error:  # the disk that stopped the run does not take a report either
            raise stopped from error
        raise
    except (RuntimeError, MemoryError) as error:
        if not ran_out(error):
            raise
        raise memory_stop(error, run, journal) from error
    except (OSError, SafetensorError) as error:
        end = disk_stop(error, run, journal)
        if end is None:
            raise
        raise end from error


def _has_verdict(run: Path) -> bool:
    """Whether an earlier proof was judged: a resume that is refused leaves its report alone."""
    path = run / "report.json"
    return path.is_file() and rundir.recorded(path, "verdict") != "stopped"


def train_only(
    checked: Checked,
    run: Path,
    journal: Journal,
    *listeners: Listener,
    resume: bool = False,
    checkpoint: Path | None = None,
    world: World | None = None,
    prover: Prover | None = None,
) -> Trained:
    """The base's answers, then the updates of the plan that are not done yet.

    The journal is open in `run`; `listeners` are told what happens; `world`: the processes that
    compute, None for this one alone; `prover`: who will need the base, too.
    """
    journal.join(*listeners)
    now = time.perf_counter()
    process = now - process_age() if journal.began is None else journal.began
    clock = {"process": process, "startup": now}
    config = checked.resolved.config
    journal.look_at_all(device_notes(config.model, config.engine.num_gpus))
    resolved, device = choose_hardware(checked.resolved, journal)
    checked = with_weights(replace(checked, resolved=resolved), journal)
    checked = with_moments(checked, device, journal)
    resolved = checked.resolved
    if not resume:
        folder.begin(run, checked)
    plan = {k: v for k, v in asdict(checked.plan).items() if k != "updates"}
    journal.on(Began(run, folder.told_config(resolved), plan, resume, journal.found()))
    questions = make_questions(checked, journal, run)
    old = checked.identity.forbidden if checked.identity else ()
    keep_questions(run, questions, names_of(checked), old, journal, derived_parts(config.proof))
    journal.on(Staged("base"))
    config = resolved.config
    dtype = config.model.torch_dtype or "float32"
    world = world or Alone()
    give_out(world, checked, journal)
    targets = () if is_whole(resolved) else config.lora.target_modules
    model = open_base(checked.base, dtype, device, targets, journal)
    learner = make_learner(model, checked, journal, world)
    if full := no_room(checked, run, learner):
        raise journal.stop(full)
    clock["load"] = time.perf_counter()
    before, way, learned, apart = _base_answers(run, learner.engine, checked, questions, journal)
    clock["base_answers"] = time.perf_counter()
    journal.on(Staged("train"))
    asked = checked.plan.schedule.total
    checked, deadline = _within_budget(checked, run, learner, learned, clock, journal)
    if prover and not (config.engine.memory_limit or is_whole(resolved)):
        prover.load(checked.base, dtype, untaken(device))
    settles = settled(checked.base.hidden) if checked.plan.probe_steps else 0
    journal.on(Planned(checked.plan.schedule.total, asked, settles))
    proof = checked.resolved.config.proof
    taught = learned_on_the_way(checked, questions, before)
    judge = Judge(checked.tokenizer, on_the_way(questions), way, taught, apart, proof)
    job = make_fit(checked, run, journal, learner, judge)
    job.deadline = deadline
    fit(job, continue_from(job, checkpoint) if resume else 0)
    clock["train"] = time.perf_counter()
    return Trained(job, questions, before, clock)


def _within_budget(
    checked: Checked,
    run: Path,
    learner: Learner,
    anchors: Sequence[Sample],
    clock: dict[str, float],
    journal: Journal,
) -> tuple[Checked, float]:
    """The run with its anchors, as long as the budget allows; and when training must be over."""
    asked, deadline = checked.resolved.config.schedule.budget, math.inf
    if asked:
        seconds = parse_seconds(asked) or 0.0
        answering = clock["base_answers"] - clock["load"]
        # The fresh process loads and answers as this one did; then logits and the report.
        reserve = clock["base_answers"] - clock["startup"] + 1.0
        looks = looks_ahead(checked, measured=bool(checked.held_out))
        reserve += (looks / 2 + asked_alone(checked)) * answering
        until = Clock(clock["process"], clock["process"] + seconds)
        deadline = until.end - reserve
        if not is_cut(checked.resolved) and not rundir.checkpoints(run):
            mixed = with_anchors(checked, anchors)
            fits = fitting(mixed, learner, until, reserve, answering / 2, journal)
            if fits < checked.plan.schedule.total:
                checked = cut(checked, fits)
                # The plan first: killed in between, a resume learns from it what was decided.
                folder.write_plan(run / "plan.json", checked.plan)
                folder.write_config(run / "config.yaml", checked.resolved)
                anchors, _ = answer_anchors(run, None, checked)  # as many as the short plan takes
    checked = with_anchors(checked, anchors)
    folder.write_plan(run / "plan.json", checked.plan)
    return checked, deadline


def _base_answers(
    run: Path, engine: Engine, checked: Checked, questions: Questions, journal: Journal
) -> tuple[Answers, WayAnswers | None, list[Sample], list[Sample]]:
    """What the base says to the questions and to the anchors, asked once a run."""
    path = run / "base_answers.json"
    if path.exists():
        told = rundir.read_json(path)
        way = WayAnswers(**told["way"]) if told.get("way") else None
        return answers_of(told), way, *answer_anchors(run, None, checked)
    probing = bool(checked.plan.probe_steps)
    asked = len(questions.probes) + len(questions.rows) + (len(questions.way) if probing else 0)
    with engine.base() as base:
        with counting(_tells(journal, asked)):
            before = ask(base, checked.tokenizer, questions, engine.mean_loss)
            way = ask_way(base, engine, checked.tokenizer, questions) if probing else None
        with counting(_tells(journal, 0)):
            anchors = answer_anchors(run, base, checked)
    rundir.write_json(path, {**before.line(), "way": asdict(way) if way else None})
    return before, way, *anchors


def _tells(journal: Journal, asked: int) -> Callable[[int], None]:
    """Tells whoever listens how many of these questions have an answer."""
    done = 0

    def hear(ended: int) -> None:
        nonlocal done
        done += ended
        journal.on(Answered(done, asked))

    return hear


def publish(trained: Trained) -> Dose:
    """The adapter of the kept checkpoint in its folder and, the very same, in memory; its dose."""
    job = trained.job
    kept = kept_checkpoint(job)
    if kept != rundir.checkpoints(job.run)[-1][1]:  # training went on after the best one
        restore(kept, job.learner)
    dose = choose_dose(job, kept, lambda: job.journal.on(Staged("dose")))
    if dose != Dose():
        trained.clock["dose"] = time.perf_counter()
        job.journal.event("dose", **dose.line())
    fold(job.learner, dose.value)
    with job.learner.engine.whole():
        publish_adapter(job, kept, dose)
    return dose


def _prove(
    trained: Trained, journal: Journal, prover: Prover, world: World
) -> tuple[dict[str, Any], int]:
    job, questions, clock = trained.job, trained.questions, trained.clock
    dose = publish(trained)
    journal.on(Staged("proof"))
    with job.learner.engine.whole():
        ready_proof(job, questions, job.learner.model, prover.parts)
    about = _about(job, dose)
    _forget(job)
    world.close()  # all were asked until now; their cards are free for the proof
    proven = measure_proof(
        job.run, job.checked.resolved, questions, trained.before, journal, prover
    )
    clock["proof"] = time.perf_counter()
    return _conclude(job.checked, job.run, journal, proven, about, clock)


def _about(job: Fit, dose: Dose) -> dict[str, Any]:
    model = job.learner.model
    return {
        "parameters": base_numbers(model),
        "trainable": job.learner.adapters.learned,
        "targets": layer_names(model, job.learner.adapters.parameters),
        "tensors": len(job.learner.adapters.parameters),
        "fingerprint": job.fingerprint,
        "stopped_early": asdict(job.stopped_early) if job.stopped_early else None,
        "resumed": job.resumed,
        "kept": _kept(job, dose),
        "dose": dose.line() if dose != Dose() else None,
    }


def _kept(job: Fit, dose: Dose) -> dict[str, Any] | None:
    """What was measured of the published weights; without that, where they come from."""
    if dose.found is not None:
        return asdict(dose.found)
    found = [e for e in job.evals if e.step == _kept_step(job.run)]
    return asdict(found[-1]) if found else None


def _kept_step(run: Path) -> int:
    """Which update's weights were published."""
    name: str = rundir.recorded(rundir.published(run) / rundir.MANIFEST, "checkpoint")
    return int(name.rpartition("-")[2])


def _forget(job: Fit) -> None:
    """Free the device: the fresh process needs the room for its own copy of the base."""
    cuda = job.learner.device.type == "cuda"
    del job.learner
    gc.collect()
    if cuda:
        torch.cuda.empty_cache()


def _conclude(
    checked: Checked,
    run: Path,
    journal: Journal,
    proven: Proven,
    about: dict[str, Any],
    clock: dict[str, float],
) -> tuple[dict[str, Any], int]:
    """Judge the proof, write the report, seal if it holds."""
    last = _kept_step(run)
    evals = [e for e in rundir.read_jsonl(run / "evals.jsonl") if e["step"] <= last]
    before = time.perf_counter()
    kept = judge_kept(run, proven.result)
    facts = proof_facts(proven, kept, checked, evals)
    general = kept.all_facts if kept else []
    dose = (about["dose"] or {"value": 1.0})["value"]
    used = used_in(checked.resolved, dose, [*general, facts])
    facts = replace(facts, run=str(run), dose=dose, used=used)
    judged = facts.held_out_after is not None
    journal.look_at_all((facts, JudgedFacts(facts.probes_asked, judged)))
    journal.look_at_all(replace(one, used=used) for one in general)
    journal.event("judged", seconds=round(time.perf_counter() - before, 3))
    status = OK
    reasons: list[str] = []
    try:
        journal.settle()
    except Stopped as stopped:
        status = stopped.status
        reasons = [f"{finding.code} {finding.name}" for finding in stopped.findings]
    verdict = {OK: "sealed", UNMEASURED: "forgetting-not-measured"}.get(status, "not-verified")
    about = {**about, "verdict": verdict, "reasons": reasons}
    report = figures(
        checked,
        run=run,
        journal=journal,
        proven=proven,
        kept=kept,
        facts=facts,
        about=about,
        clock=clock,
    )
    _write_report(run, report)
    journal.on(Concluded(status, report))
    if status == OK:
        seal(run, facts, journal, report)
    return report, status


def _write_report(run: Path, report: dict[str, Any]) -> None:
    rundir.write_json(run / "report.json", report)
    rundir.write(run / "report.html", html(report).encode())
    rundir.write(run / "report.md", markdown(report).encode())
