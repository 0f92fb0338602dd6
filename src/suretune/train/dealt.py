"""The engine of a run of several processes, in the one that leads: rows dealt, gradients summed.

To the loop it is an engine like the others. The rows of an update are dealt by their cost
(`data/deal.py`), each process adds up the passes of its own, and the flat gradients are summed
once, after the last pass: between captured graphs, never in one. The optimizer takes its step here
alone; its values are copied to the others with the next update, so that no two processes can ever
hold different adapters. Reducing and copying move as much as one all_reduce does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from operator import mul
from typing import Any, TypeVar

import torch
from torch import Tensor

from suretune.data.deal import deal, plan_share
from suretune.model.decode import Decoder
from suretune.model.device import ran_out
from suretune.model.generate import Asked, Many, Prompts, count, spoken
from suretune.refusal import Refusal
from suretune.train.door import Adapters, Engine
from suretune.train.engine_plan import adopt, least_plan, pass_plan_of_engine
from suretune.train.errands import (
    Adopt,
    Ask,
    Backward,
    Done,
    Failed,
    Measure,
    Prepare,
    Prepared,
    RanOut,
    Shrink,
    Shrunk,
    Spoken,
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
        self._as_base = False

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
        own, answers, short = self._each(
            [
                Backward(
                    self._named(share),
                    loss_weight,
                    scale,
                    fresh=self._stale,
                    seed=seed,
                )
                for share in shares[1:]
            ],
            lambda: self.own.backward(shares[0], loss_weight, scale) if shares[0] else None,
        )
        self.world.sum_(self.adapters.gradient)  # also where memory ran out: all come to it
        if short is not None:
            raise short
        loss = torch.zeros((), device=self.adapters.values.device, dtype=torch.float64)
        return sum((answer.loss for answer in answers), loss if own is None else own)

    def mean_loss(self, samples: Sequence[Sample]) -> float:
        """Of all processes' rows; see `Engine.mean_loss`."""
        weighty = [row for row in samples if row.loss_weight]
        return self._mean(weighty, lambda row: row.loss_weight, drift=False)

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

    def computed(self, rows: Sequence[Sample]) -> int:
        """As if one process had them all; see `Engine.computed`."""
        return self.own.computed(rows)

    def restored(self) -> None:
        """The others are given the values before they compute again; see `Engine.restored`."""
        self.own.restored()
        self._stale = True

    def whole(self) -> AbstractContextManager[None]:
        """It is here; see `Engine.whole`."""
        return self.own.whole()

    @contextmanager
    def base(self) -> Iterator[Asked]:
        """Each process answers its share; see `Engine.base`."""
        with self.own.base() as own:
            self._as_base = True
            try:
                yield Many(self.world.size, partial(self._spoken, own))
            finally:
                self._as_base = False

    @contextmanager
    def tuned(self) -> Iterator[Asked]:
        """Each process answers its share; see `Engine.tuned`."""
        with self.own.tuned() as own:
            yield Many(self.world.size, partial(self._spoken, own))

    def drift(self, samples: Sequence[Sample]) -> float:
        """Of all processes' rows; see `Engine.drift`."""
        return self._mean(samples, lambda row: row.learned, drift=True)

    def _spoken(
        self,
        own: Asked,
        parts: Sequence[Prompts],
        stop_ids: frozenset[int],
        most: int,
    ) -> list[Prompts]:
        """Each process answers its part, this one the first; see `Many`."""
        mine, answers, short = self._each(
            [
                Ask(
                    part,
                    stop_ids,
                    most,
                    base=self._as_base,
                    fresh=self._stale,
                )
                for part in parts[1:]
            ],
            lambda: spoken(own, parts[0], stop_ids, most),
        )
        if short is not None:
            raise short
        if not isinstance(own, Decoder):  # which does not tell of its own either
            count(sum(map(len, parts[1:])))
        return [mine, *(answer.ids for answer in answers)]

    def _mean(
        self,
        rows: Sequence[Sample],
        weight: Callable[[Sample], float],
        *,
        drift: bool,
    ) -> float:
        """The mean over all processes' rows, by weight, of what each measures of its own."""
        shares = self._shares(rows)
        measure = self.own.drift if drift else self.own.mean_loss
        own, answers, short = self._each(
            [
                Measure(
                    self._named(share),
                    drift,
                    base=self._as_base,
                    fresh=self._stale,
                )
                for share in shares[1:]
            ],
            lambda: measure(shares[0]) if shares[0] else 0.0,
        )
        if short is not None:
            raise short
        weights = [sum(map(weight, share)) for share in shares]
        means = [own, *(answer.loss for answer in answers)]
        whole: float = sum(map(mul, means, weights))
        return whole / sum(weights)

    def _each(
        self,
        errands: Sequence[object],
        own: Callable[[], T],
    ) -> tuple[Any, list[Any], Exception | None]:
        """(what `own` gives, the others' answers, what says that memory ran out): all compute at
        once, with the same values, and all are heard."""
        self._tell(errands)
        if self._stale:
            self.world.share_(self.adapters.values.data)
            self._stale = False
        mine: T | None = None
        short: Exception | None = None
        try:
            mine = own()
        except RuntimeError as error:
            if not ran_out(error):
                raise
            short = error
        answers = self._answers((Done, Spoken, RanOut))
        for rank, answer in enumerate(answers, 1):
            if isinstance(answer, RanOut):
                short = short or torch.OutOfMemoryError(f"{answer.said} (process {rank})")
        return mine, answers, short

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
