"""A process that follows: it holds the base and the adapters, and computes what it is told.

    python -m suretune.train.follower      started by `suretune sft --num_gpus N`

With torchrun every process is `suretune sft ...`, and all but the first come here. It writes
nothing, reads none of the run's files but the base, and ends with the process that leads.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from typing import Any

import torch

from suretune.because import in_words
from suretune.data.base import need_same_base
from suretune.data.deal import plan_share
from suretune.facts import Facts, SetupFacts
from suretune.guards import judge
from suretune.model.device import limit_memory, out_of_memory, ran_out, untaken
from suretune.model.full import Whole, begin_whole
from suretune.model.generate import spoken
from suretune.model.load import load_base
from suretune.model.lora import attach, trainable
from suretune.model.tuned import Tuned
from suretune.refusal import Refusal
from suretune.show import findings, progress
from suretune.train.door import Engine
from suretune.train.engine_plan import adopt, make_engine, pass_plan_of_engine
from suretune.train.errands import (
    Adopt,
    Ask,
    Backward,
    Done,
    Failed,
    Hold,
    Measure,
    Prepare,
    Prepared,
    RanOut,
    Ready,
    Same,
    Shrink,
    Shrunk,
    Spoken,
    Together,
)
from suretune.train.flat_adamw import FlatAdamW
from suretune.train.line import Bye, myself
from suretune.train.muster import join
from suretune.train.place import KEY, Place, place_of
from suretune.train.sharded import do_same
from suretune.train.shards import PlainShard, ShardAdamW, ShardedWhole
from suretune.train.world import END, LetGo, Lost, Ranks
from suretune.types import Sample


def follow(world: Ranks) -> int:
    """Do what is told until nobody tells anything any more; the exit status. Raises Lost."""
    try:
        told = world.hear()
        if isinstance(told, Bye):
            return 0
        hand = Hand(world, told)
        while not isinstance(told := world.hear(), Bye):
            hand.do(told)
    except LetGo:
        return 0
    except Lost:
        raise
    except Refusal as refusal:
        return _failed(world, _of(world, refusal.facts))
    except Exception as error:
        me = str(myself(world.rank))
        if found := out_of_memory(error):
            return _failed(world, SetupFacts("out-of-memory", me, found=in_words(found)))
        traceback.print_exc()
        last = in_words(error)
        return _failed(world, SetupFacts("process-lost", me, found=last, nearest=str(world.size)))
    finally:
        world.close()
    return 0


def _failed(world: Ranks, facts: SetupFacts) -> int:
    """The last word; whoever leads has some seconds to hear it before this process ends."""
    with suppress(OSError):
        world.lines[0].send(Failed(facts))
        until = time.monotonic() + END
        while time.monotonic() < until and not world.lines[0].parted:
            time.sleep(0.1)
    return 1


def _of(world: Ranks, facts: Any) -> SetupFacts:
    if not isinstance(facts, SetupFacts):
        told = str(facts)
        return SetupFacts("process-lost", str(world.rank), found=told, nearest=str(world.size))
    return facts


class Hand:
    """The base, the adapters and the engine of one follower."""

    def __init__(self, world: Ranks, hold: Hold) -> None:
        self.world = world
        self.device = torch.device(hold.device)
        limit_memory(hold.engine, self.device)
        need_same_base(hold.base, hold.fingerprint, str(myself(world.rank)))
        model = load_base(hold.base, self.device, hold.dtype)
        tuned: Tuned
        if hold.learned is None:
            tuned = attach(model, hold.lora, hold.base.name, hold.seed, hold.commit)
            self.adapters = FlatAdamW(trainable(tuned), 0.0)
        else:
            tuned = begin_whole(model, hold.learned, hold.base, keep=False)
        cuda = self.device.type == "cuda"
        name = torch.cuda.get_device_name(self.device) if cuda else "cpu"
        self.say(Ready(name))
        world.open(self.device)
        if isinstance(tuned, Whole):
            tuned = ShardedWhole(tuned, world)
            self.adapters = ShardAdamW(tuned, hold.weight_decay, world)
        self.engine: Engine = make_engine(
            model=tuned,
            adapters=self.adapters,
            asked=hold.engine,
            device=self.device,
            samples=hold.samples,
            plan=hold.plan,
            before=hold.before,
        ).engine
        self.samples: Sequence[Sample] = ()
        self.plan = hold.plan
        self.say(Ready(name, pass_plan_of_engine(self.engine)))

    def say(self, answer: object) -> None:
        """To the process that leads."""
        self.world.tell([answer])

    def do(self, told: object) -> None:
        """One errand, and its answer."""
        match told:
            case Prepare():
                self._prepare(told)
            case Backward():
                self._backward(told)
            case Together():
                self._together(told)
            case Ask():
                self._renew(told.fresh)
                self._say_what(lambda: self._asked(told))
            case Measure():
                self._renew(told.fresh)
                self._say_what(lambda: self._measured(told))
            case Same() if isinstance(self.adapters, ShardAdamW):
                do_same(self.adapters, told)
            case Shrink():
                how = self.engine.shrink(self._rows(told.rows))
                self.say(Shrunk(how, pass_plan_of_engine(self.engine)))
            case Adopt():
                adopt(self.engine, told.plan)
                self.say(Done())
            case _:
                raise TypeError(f"{told} is no errand")

    def _prepare(self, told: Prepare) -> None:
        if told.samples is not None and told.plan is not None:
            self.samples = told.samples
            world = self.world
            self.plan = plan_share(told.plan, told.samples, world.rank, world.size)
        self.say(Prepared(self.engine.prepare(self.samples, self.plan, told.done)))

    def _backward(self, told: Backward) -> None:
        """The gradient of the rows that are dealt, then the sum with everybody's."""
        self._renew(told.fresh)
        torch.manual_seed((told.seed + self.world.rank) % 2**63)
        self.adapters.zero()
        rows = self._rows(told.rows)

        def computed() -> Done:
            if not rows:
                return Done()
            return Done(float(self.engine.backward(rows, told.loss_weight, told.scale)))

        self._say_what(computed)
        self.world.sum_(self.adapters.gradient)

    def _renew(self, fresh: bool) -> None:
        """The values of who leads, where they are others by now."""
        if fresh:
            self.world.share_(self.adapters.values.data)
            self.engine.restored()

    def _say_what(self, compute: Callable[[], object]) -> None:
        """Its answer, or that memory did not do for it."""
        try:
            answer = compute()
        except RuntimeError as error:
            if not ran_out(error):
                raise
            answer = RanOut(str(error).split(". ")[0])
        self.say(answer)

    def _asked(self, told: Ask) -> Spoken:
        if not told.prompts:
            return Spoken([])
        with self.engine.base() if told.base else self.engine.tuned() as model:
            return Spoken(spoken(model, told.prompts, told.stop_ids, told.most))

    def _measured(self, told: Measure) -> Done:
        rows, engine = self._rows(told.rows), self.engine
        if not rows:
            return Done()
        with engine.base() if told.base else nullcontext():
            return Done(engine.drift(rows) if told.drift else engine.mean_loss(rows))

    def _together(self, told: Together) -> None:
        """The gradient of the rows that are dealt, in as many passes as all have."""
        engine = self.engine
        if not isinstance(engine, PlainShard):
            raise TypeError(f"{type(engine).__name__} has no shards")
        torch.manual_seed((told.seed + self.world.rank) % 2**63)
        engine.least, [engine.filler] = told.least, self._rows([told.filler])
        engine.stays = told.stays
        loss = engine.backward(self._rows(told.rows), told.loss_weight, told.scale)
        self.say(Done(float(loss), untaken(self.device)))

    def _rows(self, named: Sequence[int | Sample]) -> list[Sample]:
        return [self.samples[one] if isinstance(one, int) else one for one in named]


def heedless() -> None:
    """What ends a run is told to who leads; all in a terminal, or in a pod, hear it."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def begin(place: Place) -> int:
    """Come where the others are, and follow; the exit status."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        world = join(place)  # until then SIGTERM ends it: there may be nobody who leads
        heedless()
    except LetGo:
        return 0
    except (Refusal, RuntimeError, OSError) as error:
        print(f"suretune, process {place.rank}: {error}", file=sys.stderr)
        return 7
    world.status = 7
    if place.rank == 1:  # one message for people, whoever is gone
        world.lost = _tell
    try:
        return follow(world)
    except Refusal as refusal:
        if place.rank == 1:
            _tell(refusal.facts)
        return 7


def _tell(facts: Facts) -> None:
    findings(judge(facts), progress())


def _end_with_parent() -> None:
    while os.read(0, 1):  # not by sys.stdin, whose lock would be held at the end
        pass
    time.sleep(3 * END)  # who has come to the others already says first that their leader is gone
    os._exit(7)


if __name__ == "__main__":
    if KEY in os.environ:
        threading.Thread(target=_end_with_parent, daemon=True).start()
    sys.exit(begin(place_of(os.environ)))
