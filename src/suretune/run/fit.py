"""Plan to checkpoints: load, ask the base, train, save, evaluate, stop when told to."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import PreTrainedModel

from suretune import rundir
from suretune.config import Resolved
from suretune.data.base import Base
from suretune.data.learning import Learning, learning_of
from suretune.data.template import word_files
from suretune.data.weights import bytes_on_disk
from suretune.events import Evaluated, Saved, Updated
from suretune.facts import SetupFacts
from suretune.families import fused_layers
from suretune.model.device import DTYPES, matrix_rate
from suretune.model.fp8 import why_no_fp8
from suretune.model.full import Whole, begin_whole
from suretune.model.load import load_base
from suretune.model.lora import SEEDING, attach, trainable, unmatched
from suretune.model.memory import shape_of
from suretune.model.tuned import Tuned
from suretune.model.variants import dosed, still
from suretune.options import Config
from suretune.preflight.check import Checked
from suretune.preflight.flags import cuda_flags
from suretune.preflight.hardware import hardware
from suretune.preflight.machine import OWN, VALUE, too_little_room
from suretune.preflight.whole import is_whole
from suretune.record.journal import Journal
from suretune.run.anchors import with_stand_ins
from suretune.run.crew import ENGINE, come_together, commit_of, in_step, pass_plan_before
from suretune.run.evaluate import (
    Judge,
    able,
    best_of,
    comparable,
    confirmed,
    point_best,
    stale,
    whole,
)
from suretune.run.folder import dose_of, dresser, settles
from suretune.run.recovery import again_from, disk_stop, within_memory
from suretune.run.state import Fit
from suretune.train import checkpoint
from suretune.train.adamw_8bit import WholeAdamW8
from suretune.train.engine_plan import make_engine, pass_plan_of_engine
from suretune.train.flat_adamw import FlatAdamW
from suretune.train.loop import Applied, Learner, Proposed, make_scale, train
from suretune.train.rollback import EVERY
from suretune.train.shards import ShardAdamW, ShardedWhole
from suretune.train.whole_adamw import WholeAdamW
from suretune.train.world import Alone, World
from suretune.tuning.full import ADAMW, ADAMW_8BIT, moments_bytes
from suretune.types import Evaluation, StepRecord, Text
from suretune.words import say

SETTLED = 4  # evaluations without a better one after which a proven run stops


class Interrupted(Exception):
    """SIGINT, SIGTERM or SIGHUP came, and a complete checkpoint was written."""

    def __init__(self, number: int, saved: Path) -> None:
        super().__init__(saved)
        self.status = 128 + number
        self.saved = saved


def choose_hardware(resolved: Resolved, journal: Journal) -> tuple[Resolved, torch.device]:
    """Fill device and dtype, or stop."""
    model = resolved.config.model
    device, dtype = hardware(model, journal)
    about = "auto: " + (
        torch.cuda.get_device_name(device)
        if device.type == "cuda"
        else say(Text("no GPU", "没有可用的 GPU"))
    )
    if model.torch_dtype is None:
        origin = "flag: --bf16 / --fp16" if model.bf16 or model.fp16 else about
        resolved = resolved.with_values(origin, torch_dtype=dtype)
    if model.device is None:
        resolved = resolved.with_values(about, device=device.type)
    engine = resolved.config.engine
    if device.type == "cpu":
        journal.look_at_all(cuda_flags(engine))
        journal.settle()
    if engine.base_dtype == "fp8" and (lacking := why_no_fp8(device, dtype)):
        raise journal.stop(SetupFacts("dtype-unsupported", "fp8", lacking))
    if engine.gradient_checkpointing is not None and engine.recompute is None:
        again = "layer" if engine.gradient_checkpointing else "none"
        resolved = resolved.with_values("flag: --gradient_checkpointing", recompute=again)
    return resolved, device


def open_base(
    base: Base,
    dtype: str,
    device: torch.device,
    targets: Sequence[str],
    journal: Journal,
) -> PreTrainedModel:
    """The frozen base, with targets (of adapters) that all name something, or a stop."""
    with journal.judging():
        model = load_base(base, device, dtype)
    if targets and (wrong := unmatched(model, targets)):
        raise journal.stop(wrong)
    return model


def make_learner(
    model: PreTrainedModel, checked: Checked, journal: Journal, world: World | None = None
) -> Learner:
    """What learns is attached, engine and optimizer ready, in all processes of the `world`."""
    config, world = checked.resolved.config, world or Alone()
    tuned: Tuned
    adapters: FlatAdamW
    if is_whole(checked.resolved):
        with SEEDING:
            torch.manual_seed(config.schedule.seed)  # of dropout that the base has itself
        begun = begin_whole(
            model,
            learning(checked, journal).learned,
            checked.base,
            keep=world.size == 1,
        )
        with journal.judging():
            come_together(world, model.device)
        tuned, adapters = _whole(begun, config, world)
    else:
        seed, commit = config.schedule.seed, commit_of(checked.base)
        with journal.judging():
            tuned = attach(model, config.lora, checked.base.name, seed, commit)
        adapters = FlatAdamW(
            trainable(tuned),
            config.schedule.weight_decay,
            ratio=config.lora.lorap_lr_ratio,
            still=still(tuned, config.lora),
            other_dosed=partial(dosed, tuned),
        )
        with journal.judging():
            come_together(world, model.device)
    # Anchors are not answered yet: memory is planned for the longest that they can be.
    largest = with_stand_ins(checked, journal.run)
    with journal.judging():
        started = make_engine(
            model=tuned,
            adapters=adapters,
            asked=config.engine,
            device=model.device,
            samples=largest.samples,
            plan=largest.plan,
            before=pass_plan_before(journal, checked),
        )
        engine, trained = in_step(world, started, adapters, journal)
    if "tokens_per_pass" in started.about:  # of all processes the least
        started.about["tokens_per_pass"] = engine.tokens_per_pass
    if started.pass_plan and journal.run:
        rundir.write_json(journal.run / ENGINE, pass_plan_of_engine(started.engine).line())
    asked = config.engine.fused is False
    if model.device.type == "cuda" and started.about["engine"] == "plain" and not asked:
        about = SetupFacts("plain-engine", checked.base.name, found=started.about["why"])
        journal.look(about, stops=False)
    journal.event("engine", **started.about)
    scale = make_scale(config.model.torch_dtype or "float32")
    return Learner(tuned, trained, engine, scale, model.device, config.schedule.max_grad_norm)


def _whole(begun: Whole, config: Config, world: World) -> tuple[Whole, FlatAdamW]:
    """A base that learns itself, and its optimizer: here, or in shards of all processes."""
    decay = config.schedule.weight_decay
    if world.size > 1:
        sharded = ShardedWhole(begun, world)
        return sharded, ShardAdamW(sharded, decay, world)
    kind = WholeAdamW8 if config.full.optim == ADAMW_8BIT else WholeAdamW
    return begun, kind(begun, decay)


def learning(checked: Checked, journal: Journal) -> Learning:
    """Which of the base's weights learn, or a stop."""
    found = learning_of(checked.base, checked.resolved.config.full)
    if isinstance(found, SetupFacts):
        raise journal.stop(found)
    return found


def no_room(checked: Checked, run: Path, learner: Learner) -> SetupFacts | None:
    """Whether the disk has too little room for what this run will write."""
    whole = bytes_on_disk(checked.base.folder) if is_whole(checked.resolved) else 0
    sizes = {name: p.numel() for name, p in learner.adapters.parameters.items()}
    moments = moments_bytes(checked.resolved.config.full.optim or ADAMW, sizes)
    moved = checked.plan.schedule.total > EVERY  # what is kept by then has moments, too
    return too_little_room(
        run,
        sum(sizes.values()),
        checked.plan,
        checked.resolved.config.schedule.save_total_limit,
        whole,
        moments,
        kept=VALUE + moments if moved else VALUE,
        words=sum(path.stat().st_size for path in word_files(checked.tokenizer.folder)),
        own=OWN,
    )


def make_fit(checked: Checked, run: Path, journal: Journal, learner: Learner, judge: Judge) -> Fit:
    """The training of a checked plan, ready for its first update or to be resumed."""
    held_out = [sample for row in checked.held_out for sample in row.samples]
    fingerprint = checked.base.fingerprint()
    dtype = DTYPES[checked.resolved.config.model.torch_dtype or "float32"]
    rate = matrix_rate(learner.device, dtype)
    if rate:
        journal.event("device", matrix_tflops=round(rate / 1e12, 1))
    return Fit(
        checked=checked,
        run=run,
        journal=journal,
        learner=learner,
        dress=dresser(checked, fingerprint),
        held_out=held_out,
        fingerprint=fingerprint,
        judge=judge,
        settles=settles(run, checked),
        dose=dose_of(run),
        rate=rate,
    )


def fit(job: Fit, done: int = 0) -> None:
    """Train from update `done` + 1 to the plan's end, or to what stops it before."""
    if job.held_out and not done:
        _evaluate(job, 0)
    start = time.perf_counter()
    begun = 0 < done < job.checked.plan.schedule.total
    if begun and (why := _settled(job)):  # killed between the last save and the end
        job.stopped_early = why
        return
    begin: int | None = done
    with _signals(job.signals):
        while begin is not None:
            begin = _updates(job, begin)
    job.journal.event("trained", seconds=round(time.perf_counter() - start, 3))


def _updates(job: Fit, done: int) -> int | None:
    """Train to the end; or to an update that is refused, and where to begin again then."""
    with closing(train(job.learner, job.samples, job.checked.plan, done, job.share)) as events:
        for event in within_memory(job, events):
            if isinstance(event, Proposed):
                again = again_from(job, event.record)
                if again is not None:
                    return again
                continue
            job.journal.on(Updated(event.record, _share_of_limit(job, event.record)))
            if _after(job, event):
                break
    return None


def _share_of_limit(job: Fit, record: StepRecord) -> float | None:
    """Of the device's matrix rate; None where that, or the layers' arithmetic, is not known."""
    config = job.checked.base.text
    if not job.rate or not fused_layers(config.get("model_type")):
        return None
    rows = [job.samples[i] for i in record.samples]
    layers = job.checked.resolved.config.lora.layers
    flops = shape_of(config, 2).flops(
        job.learner.engine.computed(rows),
        record.learned,
        min(layers or (0,)),
    )
    return round(flops / record.seconds / job.rate, 4)


def _after(job: Fit, event: Applied) -> bool:
    """Evaluate and save where the plan says so; True when training is over early."""
    plan, step = job.checked.plan, event.record.step
    better = False
    if (job.held_out and step in plan.eval_steps) or _asks(job, step):
        better = _evaluate(job, step)
    why = _settled(job) if step < plan.schedule.total else None
    if step in plan.save_steps or why or job.signals or better:
        save(job, step)
    if job.signals:
        raise Interrupted(job.signals[0], rundir.checkpoints(job.run)[-1][1])
    if why:
        job.stopped_early = why
        job.journal.event("stopped-early", step=step, why=why.en)
    return bool(why)


def _settled(job: Fit) -> Text | None:
    """Why no further update is needed, or None."""
    if time.perf_counter() > job.deadline:
        return Text("the budget is spent", "时间预算已用完")
    best = best_of(job.evals)
    if best is None:
        return None
    if confirmed(job.evals):
        first, last = comparable(job.evals)[-2:]
        return Text(
            f"all {last.asked} probes asked on the way passed after update {first.step}, and again"
            f" after update {last.step}",
            f"第 {first.step} 次更新后，途中提问的 {last.asked} 个验证问题全部通过，"
            f"第 {last.step} 次更新后再次全部通过",
        )
    patience = job.checked.resolved.config.schedule.early_stopping_patience
    waited = stale(job.evals)
    last = comparable(job.evals)[-1]
    late = last.step >= job.settles
    enough = late and best.proven and waited >= SETTLED and not whole(last)
    if enough or (patience is not None and waited >= patience):
        return Text(
            f"{waited} evaluations no better than update {best.step}'s",
            f"连续 {waited} 次评估没有比第 {best.step} 次更新更好",
        )
    return None


def _asks(job: Fit, step: int) -> bool:
    """Whether probes are asked now: while the rate falls, not before it has fallen."""
    found = job.cooling
    waits = found is not None and found.begun < step < found.end
    return step in job.asked_after and not waits


def _evaluate(job: Fit, step: int) -> bool:
    """Measure and write down; whether this is a checkpoint to keep: the best so far."""
    engine, plan = job.learner.engine, job.checked.plan
    due = step in plan.eval_steps or step == 0
    loss = engine.mean_loss(job.held_out) if job.held_out and due else None
    found = Evaluation(step, loss)
    if _asks(job, step):
        found = job.judge.look(engine, step, loss)
    if loss is None and not found.asked:
        return False
    job.evals.append(found)
    job.journal.on(Evaluated(found))
    patience = job.checked.resolved.config.schedule.early_stopping_patience
    return bool(step) and (able(found) or bool(patience)) and best_of(job.evals) is found


def save(job: Fit, step: int) -> None:
    """A complete checkpoint, the pointers, and no more checkpoints than asked for."""
    about = {"plan": job.checked.plan.digest, "base": job.fingerprint}
    asked = job.run / "evals.jsonl"
    try:
        if job.evals:  # a checkpoint never outlives what was asked before it: the rate follows it
            rundir.flush([asked])
        ends = step == job.checked.plan.schedule.total
        saved = checkpoint.save(job.run, step, job.learner, job.dress, about, ends=ends)
    except (OSError, SafetensorError) as error:  # safetensors has its own word for a full disk
        stopped = disk_stop(error, job.run, job.journal)
        if stopped is None:
            raise
        raise stopped from error
    point_to(job, saved, step)
    job.journal.on(Saved(step, saved))


def point_to(job: Fit, path: Path, step: int) -> None:
    """`last`, and `best` if it is, are this checkpoint; older ones beyond the limit go."""
    rundir.point(job.run, "last", path, step=step)
    point_best(job.run, job.evals)
    checkpoint.keep(job.run, job.checked.resolved.config.schedule.save_total_limit)


@contextmanager
def _signals(caught: list[int]) -> Iterator[None]:
    """The first of these signals is noted, to be acted on after the update; a second one kills.

    One that is ignored stays so: `nohup` lets a run outlive its terminal. Off the main thread
    Python hears none, and whoever has the main thread decides.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    terminals = [handle for handle in (1, 2) if os.isatty(handle)]

    def note(number: int, frame: FrameType | None) -> None:
        _unplug(terminals)
        caught.append(number)
        signal.signal(number, before[number])

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before: dict[int, Any] = {
        number: handler
        for number in numbers
        if (handler := signal.getsignal(number)) is not signal.SIG_IGN
    }
    for number in before:
        signal.signal(number, note)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _unplug(terminals: Sequence[int]) -> None:
    """Streams whose terminal has gone lead nowhere: what is shown must not end what is saved."""
    for handle in terminals:
        if not os.isatty(handle):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, handle)
            os.close(nowhere)
