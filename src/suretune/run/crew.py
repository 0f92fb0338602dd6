"""The processes of a run: called in, told what to hold, and brought to one plan of passes."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import torch

from suretune import rundir, show, typed
from suretune.config import Resolved
from suretune.data.base import Base
from suretune.data.learning import Learning, learning_of
from suretune.facts import SetupFacts
from suretune.model.recompute import Policy
from suretune.preflight.check import Checked
from suretune.preflight.whole import is_whole
from suretune.record.journal import Journal, status_of
from suretune.refusal import Refusal
from suretune.run.anchors import with_stand_ins
from suretune.train.dealt import Dealt, answers_of
from suretune.train.door import Adapters, Engine
from suretune.train.engine_plan import (
    ChosenEngine,
    PassPlan,
    adopt,
    least_plan,
    pass_plan_of,
    pass_plan_of_engine,
)
from suretune.train.errands import Adopt, Done, Hold, Ready
from suretune.train.flat_adamw import FlatAdamW
from suretune.train.muster import join, start
from suretune.train.place import here
from suretune.train.plain_engine import PLAIN_TOKENS
from suretune.train.sharded import Led, Sharded
from suretune.train.shards import PlainShard, ShardAdamW
from suretune.train.world import Alone, Lost, World
from suretune.words import language

SMALLER = "smaller"  # of S019: what `smaller_next` has written down
ENGINE = "engine.json"  # of a run folder


def counted(resolved: Resolved) -> Resolved:
    """The config with as many processes as torchrun has started, if it has."""
    size = here().size
    if size == 1:
        return resolved
    return resolved.with_values("torchrun: WORLD_SIZE", num_gpus=size)


@contextmanager
def crew(checked: Checked, run: Path, journal: Journal) -> Iterator[World]:
    """The processes that train together, if there are several; whatever happens, they end."""
    try:
        with closing(call_in(checked, run, journal)) as world:
            yield world
    except Refusal as refusal:
        facts = refusal.facts
        if isinstance(refusal, Lost) and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, signal.SIG_IGN)  # torchrun's, for the same reason
        if isinstance(facts, SetupFacts):
            facts = about_loss(facts, checked, run)
        raise journal.stop(facts) from refusal


def call_in(checked: Checked, run: Path, journal: Journal) -> World:
    """The processes of this run, all there. Raises Refusal where one does not come."""
    size, place = checked.resolved.config.engine.num_gpus, here()
    if size == 1:
        return Alone()
    if place.size > 1:
        world = join(place)
    else:
        env = {**os.environ, "SURETUNE_LANG": language()}
        world = start(size, env, gpus=checked.resolved.config.model.device != "cpu")

    def ended(facts: SetupFacts) -> None:
        """Amid work that takes longer than a loss may take to be told."""
        stopped = journal.stop(about_loss(facts, checked, run))
        world.status = stopped.status
        show.findings(stopped.findings, show.progress())

    world.lost, world.status = ended, status_of(SetupFacts("process-lost"))
    return world


def asked_alone(checked: Checked) -> int:
    """How many times as long as the base's answers took here the proof's take longer: those were
    given by all processes, these are by one."""
    dealt = here().size > 1 and not is_whole(checked.resolved)
    return checked.resolved.config.engine.num_gpus - 1 if dealt else 0


def commit_of(base: Base) -> str | None:
    """At which the base was fetched, if from a hub whose commits adapters name."""
    got = base.fetched
    return got.snapshot.commit if got and got.snapshot.repo.hub == "hf" else None


def pass_plan_before(journal: Journal, checked: Checked) -> PassPlan | None:
    """What the run chose before it was stopped: the card may have other room now."""
    run = journal.run
    if run and (run / ENGINE).is_file():
        return pass_plan_of(rundir.read_json(run / ENGINE))
    if run and is_whole(checked.resolved) and rundir.checkpoints(run):
        return _usual_plan(checked)  # of a version that chose nothing
    return None


def _usual_plan(checked: Checked) -> PassPlan:
    return PassPlan(checked.resolved.config.engine.tokens_per_pass or PLAIN_TOKENS, Policy(()))


def about_loss(facts: SetupFacts, checked: Checked, run: Path) -> SetupFacts:
    """With the run to go on with, where a process was lost or has no memory for its part."""
    if facts.problem == "process-lost":
        return replace(facts, spare=typed.path(run))
    if facts.problem == "out-of-memory" and smaller_next(checked, run):
        return replace(facts, detail=str(run), spare=SMALLER)
    return facts


def smaller_next(checked: Checked, run: Path) -> str:
    """Amid a pass of all processes none can begin a smaller one. So whoever goes on with the run
    has passes of half as many tokens: SMALLER, or "" where each row is a pass by now."""
    path, asked = run / ENGINE, checked.resolved.config.engine
    if asked.num_gpus == 1 or not is_whole(checked.resolved):
        return ""
    plan = pass_plan_of(rundir.read_json(path)) if path.is_file() else _usual_plan(checked)
    if plan.tokens_per_pass <= checked.plan.longest:
        return ""
    half = replace(plan, tokens_per_pass=max(1, plan.tokens_per_pass // 2))
    rundir.write_json(path, half.line())
    return SMALLER


def give_out(
    world: World,
    checked: Checked,
    journal: Journal,
) -> None:
    """Tell the others what to hold; they load while this process does."""
    if world.size == 1:
        return
    config, largest = checked.resolved.config, with_stand_ins(checked, journal.run)
    found = learning_of(checked.base, config.full) if is_whole(checked.resolved) else None
    hold = Hold(
        base=checked.base,
        fingerprint=checked.base.fingerprint(),
        device=config.model.device or "cpu",
        dtype=config.model.torch_dtype or "float32",
        lora=config.lora,
        seed=config.schedule.seed,
        commit=commit_of(checked.base),
        engine=config.engine,
        samples=largest.samples,
        plan=largest.plan,
        before=pass_plan_before(journal, checked),
        learned=frozenset(found.learned) if isinstance(found, Learning) else None,
        weight_decay=config.schedule.weight_decay,
    )
    world.tell([hold] * (world.size - 1))


def come_together(world: World, device: torch.device) -> None:
    """All have loaded the base, and can sum. Raises Refusal where one cannot."""
    if world.size > 1:
        answers_of(world, Ready)
        world.open(device)


def in_step(
    world: World,
    started: ChosenEngine,
    adapters: FlatAdamW,
    journal: Journal,
) -> tuple[Engine, Adapters]:
    """The engine of all processes, each with the least of the memory plans, and what learns; alone,
    its own.

    Raises Refusal where a process cannot make one.
    """
    if world.size == 1:
        return started.engine, adapters
    told = answers_of(world, Ready)
    plans = [pass_plan_of_engine(started.engine), *(one.plan for one in told if one.plan)]
    least = least_plan(plans)
    world.tell([Adopt(least)] * len(told))
    adopt(started.engine, least)
    answers_of(world, Done)
    cuda = adapters.values.is_cuda
    own = torch.cuda.get_device_name(adapters.values.device) if cuda else "cpu"
    devices = [own, *(one.device for one in told)]
    journal.event("processes", size=world.size, devices=devices)
    if isinstance(adapters, ShardAdamW) and isinstance(started.engine, PlainShard):
        led = Led(adapters, world)
        return Sharded(started.engine, led, world), led
    return Dealt(started.engine, adapters, world), adapters
