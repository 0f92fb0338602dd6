"""The engine of a run of several processes, in the one that leads: rows dealt, gradients summed.

To the loop it is an engine like the others. The rows of an update are dealt by their cost
(`data/deal.py`), each process adds up the passes of its own, and the flat gradients are summed
once, after the last pass: between captured graphs, never in one. The optimizer takes its step here
alone; its values are copied to the others with the next update, so that no two processes can ever
hold different adapters. Reducing and copying move as much as one all_reduce does.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, TypeVar

import torch
from torch import Tensor

from suretune.data.deal import deal, plan_share
from suretune.model.device import ran_out
from suretune.model.generate import Talker
from suretune.refusal import Refusal
from suretune.train.door import Adapters, Engine
from suretune.train.engine_plan import adopt, least_plan, pass_plan_of_engine
from suretune.train.errands import (
    Adopt,
    Backward,
    Done,
    Failed,
    Prepare,
    Prepared,
    RanOut,
    Shrink,
    Shrunk,
)
from suretune.train.world import World
from suretune.types import Plan, Sample

T = TypeVar("T")


class Dealt:
    """An engine and those of the other processes."""

    def __init__(self, own: Engine, adapters: Adapters, world: World) -> None:
        self.own = own
        self.adapters = adapters
        self.world = world
        self._samples: Sequence[Sample] = ()
        self._plan: Plan | None = None
        self._places: dict[int, int] = {}  # of a sample among those that all were given, by its id
        self._stale = True  # the others have not the adapters' values

    @property
    def tokens_per_pass(self) -> int:
        """Of every process."""
        return self.own.tokens_per_pass

    @tokens_per_pass.setter
    def tokens_per_pass(self, tokens: int) -> None:
        """Of this process alone."""
        self.own.tokens_per_pass = tokens

    def prepare(self, samples: Sequence[Sample], plan: Plan, done: int) -> str:
        """Each process what its share of the plan needs; see `Engine.prepare`."""
        same = samples is self._samples and plan is self._plan
        told = Prepare(None, None, done) if same else Prepare(samples, plan, done)
        self._samples, self._plan = samples, plan
        self._places = {id(sample): place for place, sample in enumerate(samples)}
        self._tell([told] * (self.world.size - 1))
        own = self.own.prepare(samples, plan_share(plan, samples, 0, self.world.size), done)
        lacking = [own, *(answer.lacking for answer in self._answers(Prepared))]
        return next(filter(None, lacking), "")

    def backward(self, rows: Sequence[Sample], loss_weight: float, scale: float) -> Tensor:
        """The sum of all processes' gradients, here alone; see `Engine.backward`."""
        shares = self._shares(rows)
        seed = int(torch.randint(2**62, ()))  # also a base may have dropout of its own
        self._tell(
            [
                Backward(self._named(share), loss_weight, scale, self._stale, seed)
                for share in shares[1:]
            ]
        )
        if self._stale:
            self.world.share_(self.adapters.values.data)
            self._stale = False
        short: Exception | None = None
        loss = torch.zeros((), device=self.adapters.values.device, dtype=torch.float64)
        try:
            if shares[0]:
                loss = self.own.backward(shares[0], loss_weight, scale)
        except RuntimeError as error:
            if not ran_out(error):
                raise
            short = error
        answers = self._answers((Done, RanOut))
        self.world.sum_(self.adapters.gradient)  # also where memory ran out: all come to it
        for rank, answer in enumerate(answers, 1):
            if isinstance(answer, RanOut):
                short = short or torch.OutOfMemoryError(f"{answer.said} (process {rank})")
            else:
                loss = loss + answer.loss
        if short is not None:
            raise short
        return loss

    def mean_loss(self, samples: Sequence[Sample]) -> float:
        """Here alone; see `Engine.mean_loss`."""
        return self.own.mean_loss(samples)

    def apply(self) -> None:
        """Here alone; see `Engine.apply`."""
        self.own.apply()
        self._stale = True

    def shrink(self, rows: Sequence[Sample]) -> str:
        """All together, so that none is in the way of the others; see `Engine.shrink`."""
        shares = self._shares(rows)
        self._tell([Shrink(self._named(share)) for share in shares[1:]])
        how = self.own.shrink(shares[0])
        answers = self._answers(Shrunk)
        plan = least_plan([pass_plan_of_engine(self.own), *(answer.plan for answer in answers)])
        self._tell([Adopt(plan)] * len(answers))
        adopt(self.own, plan)
        self._answers(Done)
        return next(filter(None, [how, *(answer.how for answer in answers)]), "")

    def restored(self) -> None:
        """The others are given the values before they compute again; see `Engine.restored`."""
        self.own.restored()
        self._stale = True

    def whole(self) -> AbstractContextManager[None]:
        """It is here; see `Engine.whole`."""
        return self.own.whole()

    def base(self) -> AbstractContextManager[Talker]:
        """Here alone; see `Engine.base`."""
        return self.own.base()

    def tuned(self) -> AbstractContextManager[Talker]:
        """Here alone; see `Engine.tuned`."""
        return self.own.tuned()

    def drift(self, samples: Sequence[Sample]) -> float:
        """Here alone; see `Engine.drift`."""
        return self.own.drift(samples)

    def _shares(self, rows: Sequence[Sample]) -> list[list[Sample]]:
        shares = deal([len(row.ids) for row in rows], self.world.size)
        return [[rows[place] for place in share] for share in shares]

    def _named(self, rows: Sequence[Sample]) -> list[int | Sample]:
        return [self._places.get(id(row), row) for row in rows]

    def _tell(self, messages: Sequence[object]) -> None:
        self.world.tell(messages)

    def _answers(self, kind: type[T] | tuple[type[Any], ...]) -> list[Any]:
        return answers_of(self.world, kind)


def answers_of(world: World, kind: type[T] | tuple[type[Any], ...]) -> list[Any]:
    """One answer of this kind from each follower; Refusal for the first that refuses."""
    answers = world.answers()
    for answer in answers:
        if isinstance(answer, Failed):
            raise Refusal(answer.facts)
        if not isinstance(answer, kind):
            raise TypeError(f"{answer} is no answer to this")
    return answers
