"""Plan to checkpoints: load, ask the base, train, save, evaluate, stop when told to."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

import torch
from safetensors import SafetensorError
from transformers import PreTrainedModel

from suretune import rundir
from suretune.config import Resolved
from suretune.data.base import Base
from suretune.model.device import DTYPES, choose_device, choose_dtype, matrix_rate
from suretune.model.eight import why_no_eight
from suretune.model.load import load_base
from suretune.model.lora import attach, trainable, unmatched
from suretune.model.memory import FAMILIES, shape_of
from suretune.run.check import Checked
from suretune.run.flags import cuda_flags
from suretune.run.folder import dresser
from suretune.run.journal import Journal
from suretune.train import checkpoint
from suretune.train.adapters import Adapters
from suretune.train.loop import Applied, Learner, Proposed, make_scale, non_finite_rows, train
from suretune.train.start import Way, make_engine, way_of
from suretune.types import Sample, SetupFacts, StepFacts, StepRecord

ENGINE = "engine.json"  # of a run folder


class Watcher(Protocol):
    """Somebody who is shown the training as it goes."""

    def step(self, record: StepRecord) -> None: ...

    def evaluated(self, step: int, loss: float) -> None: ...


class Interrupted(Exception):
    """SIGINT or SIGTERM came, and a complete checkpoint was written."""

    def __init__(self, number: int, saved: Path) -> None:
        super().__init__(saved)
        self.status = 128 + number
        self.saved = saved


@dataclass(slots=True)
class Fit:
    """One training under way."""

    checked: Checked
    run: Path
    journal: Journal
    learner: Learner
    dress: Callable[[Path], None]
    samples: Sequence[Sample]
    held_out: Sequence[Sample]
    fingerprint: str
    evals: list[tuple[int, float]] = field(default_factory=list)  # (step, nats per token)
    rate: float | None = None  # FLOP/s of the device's matrix products, measured
    signals: list[int] = field(default_factory=list)
    stopped_early: str = ""


def choose_hardware(resolved: Resolved, journal: Journal) -> tuple[Resolved, torch.device]:
    """Fill device and dtype, or stop."""
    model = resolved.config.model
    device = choose_device(model.device)
    if isinstance(device, SetupFacts):
        raise journal.stop(device)
    dtype = choose_dtype(model, device)
    if isinstance(dtype, SetupFacts):
        raise journal.stop(dtype)
    about = torch.cuda.get_device_name(device) if device.type == "cuda" else "no GPU"
    if model.torch_dtype is None:
        origin = "flag: --bf16 / --fp16" if model.bf16 or model.fp16 else f"auto: {about}"
        resolved = resolved.with_values(origin, torch_dtype=dtype)
    if model.device is None:
        resolved = resolved.with_values(f"auto: {about}", device=device.type)
    engine = resolved.config.engine
    if device.type == "cpu":
        journal.look_at_all(cuda_flags(engine))
        journal.settle()
    if engine.base_dtype == "fp8" and (lacking := why_no_eight(device, dtype)):
        raise journal.stop(SetupFacts("dtype-unsupported", "fp8", lacking, "bfloat16"))
    if engine.gradient_checkpointing is not None and engine.recompute is None:
        again = "layer" if engine.gradient_checkpointing else "none"
        resolved = resolved.with_values("flag: --gradient_checkpointing", recompute=again)
    return resolved, device


def open_base(
    base: Base, dtype: str, device: torch.device, targets: Sequence[str], journal: Journal
) -> PreTrainedModel:
    """The frozen base, with targets that all name something, or a stop."""
    model = load_base(base, device, dtype)
    if isinstance(model, SetupFacts):
        raise journal.stop(model)
    if wrong := unmatched(model, targets):
        raise journal.stop(wrong)
    return model


def make_learner(model: PreTrainedModel, checked: Checked, journal: Journal) -> Learner:
    """Adapters attached, engine and optimizer ready."""
    config = checked.resolved.config
    tuned = attach(model, config.lora, checked.base.name, config.schedule.seed)
    adapters = Adapters(trainable(tuned), config.schedule.weight_decay)
    samples = [sample for row in checked.train for sample in row.samples]
    started = make_engine(
        tuned, adapters, config.engine, model.device, samples, checked.plan, _way_before(journal)
    )
    if isinstance(started, SetupFacts):
        raise journal.stop(started)
    if started.way and journal.run:
        rundir.write_json(journal.run / ENGINE, started.way.line())
    asked = config.engine.fused is False
    if model.device.type == "cuda" and started.about["engine"] == "plain" and not asked:
        about = SetupFacts("plain-engine", checked.base.name, found=started.about["why"])
        journal.look(about, stops=False)
    journal.event("engine", **started.about)
    scale = make_scale(config.model.torch_dtype or "float32")
    return Learner(
        tuned, adapters, started.engine, scale, model.device, config.schedule.max_grad_norm
    )


def _way_before(journal: Journal) -> Way | None:
    """What the run chose before it was stopped: the card may have other room now."""
    path = journal.run / ENGINE if journal.run else None
    return way_of(rundir.read_json(path)) if path and path.is_file() else None


def make_fit(checked: Checked, run: Path, journal: Journal, learner: Learner) -> Fit:
    samples = [sample for row in checked.train for sample in row.samples]
    held_out = [sample for row in checked.held_out for sample in row.samples]
    fingerprint = checked.base.fingerprint()
    dtype = DTYPES[checked.resolved.config.model.torch_dtype or "float32"]
    rate = matrix_rate(learner.device, dtype)
    if rate:
        journal.event("device", matrix_tflops=round(rate / 1e12, 1))
    return Fit(
        checked, run, journal, learner, dresser(checked, fingerprint), samples, held_out,
        fingerprint, rate=rate,
    )  # fmt: skip


def fit(job: Fit, watcher: Watcher, done: int = 0) -> None:
    """Train from update `done` + 1 to the plan's end, or to what stops it before."""
    plan = job.checked.plan
    if job.held_out and not done:
        _evaluate(job, 0, watcher)
    start = time.perf_counter()
    if done and _has_settled(job):  # killed between the last save and the end
        return
    with _signals(job.signals):
        events = train(job.learner, job.samples, plan, done)
        for event in _within_memory(job, events):
            if isinstance(event, Proposed):
                _judge(job, event.record)
                continue
            rundir.append(job.run / "steps.jsonl", _line(job, event.record))
            watcher.step(event.record)
            if _after(job, event, watcher):
                break
        events.close()
    job.journal.event("trained", seconds=round(time.perf_counter() - start, 3))


def _line(job: Fit, record: StepRecord) -> dict[str, Any]:
    """A line of steps.jsonl."""
    line = {**asdict(record), "tokens_per_second": round(record.tokens / record.seconds, 1)}
    config = job.checked.base.config
    if job.rate and config.get("model_type") in FAMILIES:
        flops = shape_of(config, 2).flops(record.tokens, record.learned)
        line["share_of_limit"] = round(flops / record.seconds / job.rate, 4)
    return line


def _within_memory(job: Fit, events: Iterator[Proposed | Applied]) -> Iterator[Proposed | Applied]:
    """The events; where memory ran out and smaller passes helped, said; where not, a stop."""
    try:
        for event in events:
            for how in job.learner.notes:
                job.journal.event("out-of-memory", step=event.record.step, now=how)
            job.learner.notes.clear()
            yield event
    except torch.OutOfMemoryError as error:
        found = str(error).split(". ")[0]
        raise job.journal.stop(SetupFacts("out-of-memory", str(job.run), found=found)) from error


def _judge(job: Fit, record: StepRecord) -> None:
    """Refuse an update that is not finite: the weights stay as they are."""
    if math.isfinite(record.loss) and math.isfinite(record.grad_norm):
        return
    update = job.checked.plan.updates[record.step - 1]
    rows = non_finite_rows(job.learner, job.samples, update)
    names = tuple(str(job.samples[i].origin) for i in rows)
    job.journal.event("refused", step=record.step, rows=names)
    raise job.journal.stop(StepFacts(record.step, record.loss, record.grad_norm, names))


def _after(job: Fit, event: Applied, watcher: Watcher) -> bool:
    """Evaluate and save where the plan says so; True when training is over early."""
    plan, step = job.checked.plan, event.record.step
    if job.held_out and step in plan.eval_steps:
        _evaluate(job, step, watcher)
    over = step < plan.schedule.total and _has_settled(job)
    if step in plan.save_steps or over or job.signals:
        save(job, step)
    if job.signals:
        raise Interrupted(job.signals[0], rundir.checkpoints(job.run)[-1][1])
    if over:
        best = min(job.evals, key=lambda pair: pair[1])[0]
        job.stopped_early = f"{stale(job.evals)} evaluations no better than step {best}'s"
        job.journal.event("stopped-early", step=step, why=job.stopped_early)
    return over


def _has_settled(job: Fit) -> bool:
    patience = job.checked.resolved.config.schedule.early_stopping_patience
    return patience is not None and stale(job.evals) >= patience


def stale(evals: Sequence[tuple[int, float]]) -> int:
    """How many evaluations in a row, up to now, were no better than the best before them."""
    if not evals:
        return 0
    best = min(range(len(evals)), key=lambda i: evals[i][1])
    return len(evals) - 1 - best


def _evaluate(job: Fit, step: int, watcher: Watcher) -> None:
    learner = job.learner
    loss = learner.engine.mean_loss(job.held_out)
    job.evals.append((step, loss))
    rundir.append(job.run / "evals.jsonl", {"step": step, "held_out_loss": loss})
    watcher.evaluated(step, loss)


def save(job: Fit, step: int) -> None:
    """A complete checkpoint, the pointers, and no more checkpoints than asked for."""
    about = {"plan": job.checked.plan.digest, "base": job.fingerprint}
    try:
        saved = checkpoint.save(job.run, step, job.learner, job.dress, about)
    except (OSError, SafetensorError) as error:  # safetensors has its own word for a full disk
        raise job.journal.stop(SetupFacts("disk-full", str(job.run), found=str(error))) from error
    point_to(job, saved.path, step)


def point_to(job: Fit, path: Path, step: int) -> None:
    """`last`, and `best` if it is, are this checkpoint; older ones beyond the limit go."""
    rundir.point(job.run, "last", path, step=step)
    if job.evals and min(job.evals, key=lambda pair: pair[1])[0] == step:
        rundir.point(job.run, "best", path, step=step, held_out_loss=job.evals[-1][1])
    checkpoint.keep(job.run, job.checked.resolved.config.schedule.save_total_limit)


@contextmanager
def _signals(caught: list[int]) -> Iterator[None]:
    """The first SIGINT or SIGTERM is noted, to be acted on after the update; a second one kills."""

    def note(number: int, frame: FrameType | None) -> None:
        caught.append(number)
        signal.signal(number, before[number])

    before: dict[int, Any] = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, note)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
