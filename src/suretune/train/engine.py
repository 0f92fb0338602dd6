"""The fast engine: the model's own layers computed by hand (`model/fused.py`), replayed as CUDA
graphs. The plain one (`plain_engine.py`) is its reference.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace

import torch
from torch import Tensor

from suretune.data.pass_layout import Size, size_of
from suretune.data.plan import packs
from suretune.data.prefixes import Prefixes, choose_prefixes
from suretune.model import fused
from suretune.model.cuda_graph import Replayed
from suretune.model.device import let_go, ran_out
from suretune.model.generate import Talker
from suretune.model.memory import TILES
from suretune.model.packed_batch import (
    PackedBatch,
    make_pass,
    passes,
)
from suretune.model.recompute import HEAD_ROWS, Keep, Policy
from suretune.model.stack import Stack
from suretune.model.states import States
from suretune.train.buckets import choose_buckets
from suretune.train.flat_adamw import FlatAdamW
from suretune.train.plain_engine import fewer_tokens
from suretune.train.run_decoder import SILENCED, RunDecoder
from suretune.types import Plan, Sample

EVAL_TOKENS = 4096  # at once where nothing is learned; what training holds is held meanwhile


class Fast:
    """By hand, padded to buckets and replayed.

    spare: bytes that may be held between evaluations to be asked again; states_on_host: where the
    base's hidden states of soft rows wait.
    """

    def __init__(
        self,
        stack: Stack,
        adapters: FlatAdamW,
        device: torch.device,
        tokens_per_pass: int,
        policy: Policy,
        graphs: bool,
        *,
        spare: float = 0.0,
        states_on_host: bool = False,
    ) -> None:
        self.stack = stack
        self.adapters = adapters
        self.device = device
        self.tokens_per_pass = tokens_per_pass
        self.policy = policy
        self.pool = torch.cuda.graph_pool_handle() if graphs else None
        self.buckets: list[Bucket] = []
        self.planned = ""  # the digest of the plan that they are for
        self.prefixes: Prefixes = ()  # of its rows, longest first
        self.coming: Iterator[Sequence[Sample]] = iter(())
        self.states = States(stack, on_host=states_on_host)
        self.decoder = RunDecoder(stack, lambda: spare)
        self._apply = Replayed(self._step, self.pool)

    def prepare(
        self,
        samples: Sequence[Sample],
        plan: Plan,
        done: int,
    ) -> str:
        """Choose what rows share and the buckets that the plan's passes will be padded to, compute
        what the base says where it is held to, and capture the buckets."""
        uses = [samples[i] for update in plan.updates for i in update.samples]
        together = max((len(update.samples) for update in plan.updates), default=0)
        self.prefixes = choose_prefixes(uses, together)
        # Of all rows, always: the same bits wherever the run goes on.
        self.states.prepare(sample for sample in samples if sample.soft)
        if self.pool is None:
            return ""
        updates = [[samples[i] for i in update.samples] for update in plan.updates]
        # Of the whole plan: a resumed run must pad as the run that was never stopped.
        given = [chosen for rows in updates for chosen in self._passes(rows)]
        if not self.buckets or self.planned != plan.digest:
            self.planned = plan.digest
            first = self._captured(given)
            if not first and not (self.decoder.silenced() and self._captured(given)):
                self.without_graphs()
                return "no CUDA graphs: there is no room for them"
        self.coming = iter(updates[done + 1 :])
        return ""

    def _captured(self, given: Sequence[Sequence[Sample]]) -> bool:
        """Whether there was room to capture buckets for these passes."""
        self.buckets = []  # what was captured goes first
        try:
            weights = sum(group.n * group.k for group in self.stack.layers[0].groups)
            sizes = [self._size(chosen) for chosen in given]
            self.buckets = [Bucket(self, size) for size in choose_buckets(sizes, weights)]
            self._capture(given, sizes)
        except RuntimeError as error:
            if not ran_out(error):
                raise
            return False
        return True

    def _capture(self, given: Sequence[Sequence[Sample]], sizes: Sequence[Size]) -> None:
        """Run every bucket once, and only then capture: what a graph holds nobody else can use.

        The largest is captured first, so that the others fit into its memory.
        """
        largest_first = self.buckets[::-1]
        for bucket in largest_first:
            rows = next(rows for rows, size in zip(given, sizes, strict=True) if bucket.fits(size))
            bucket.run(rows, 0.0)
        let_go(self.device)
        for bucket in largest_first:
            bucket.replayed.capture()
        self.adapters.zero()

    def backward(
        self,
        rows: Sequence[Sample],
        loss_weight: float,
        scale: float,
    ) -> Tensor:
        """Passes that fit a bucket are replayed as a graph; see `Engine.backward`."""
        parts = []
        for chosen in self._passes(rows):
            bucket = self._bucket(chosen)
            if bucket is None:
                batch = make_pass(chosen, self.device, parted=True, prefixes=self.prefixes)
                parts.append(self.one(batch, scale / loss_weight, self.held(chosen)))
            else:
                parts.append(bucket.run(chosen, scale / loss_weight))
        self._look_ahead()
        return torch.stack(parts).sum() / scale

    def _passes(self, rows: Sequence[Sample]) -> list[list[Sample]]:
        groups = packs([len(row.ids) for row in rows], self.tokens_per_pass)
        return [[rows[i] for i in group] for group in groups]

    def _size(self, rows: Sequence[Sample]) -> Size:
        return size_of(rows, self.prefixes)

    def _bucket(self, rows: Sequence[Sample]) -> Bucket | None:
        """Where a pass of these rows is laid out, or the smallest that has room for it, if any."""
        key = _key(rows)
        ready = next((b for b in self.buckets if key in b.laid_out), None)
        if ready is not None:
            return ready
        size = self._size(rows)
        return next((b for b in self.buckets if b.fits(size)), None)

    def _look_ahead(self) -> None:
        """While the device computes, lay out what the next update will ask for.

        What an earlier look saw and nobody asked for (a row was left out) is dropped.
        """
        for stale in self.buckets:
            stale.laid_out.clear()
        for chosen in self._passes(next(self.coming, [])):
            bucket = self._bucket(chosen)
            if bucket is not None:
                bucket.lay_out(chosen)

    def held(self, rows: Sequence[Sample]) -> Tensor | None:
        """(S, K) the base's hidden states at what the soft ones of these rows predict, if any."""
        soft = [row for row in rows if row.soft]
        return self.states.of(soft) if soft else None

    def one(
        self,
        batch: PackedBatch,
        factor: float | Tensor,
        base: Tensor | None = None,
    ) -> Tensor:
        """Add the gradient of factor * sum of weighted nats to the adapters'; that sum ().

        base: what `held` gives, for a pass of which some positions are held to the base.
        """
        weights = batch.weights if base is None else torch.cat([batch.weights, batch.soft_weights])
        factors = weights * factor
        nats = fused.gradient(
            self.stack,
            batch,
            factors,
            self.policy,
            base,
        )
        return (nats * factors).sum()

    def largest(self, rows: Sequence[Sample]) -> None:
        """Compute a pass of these rows for the memory it takes: nothing is added, nothing kept.

        Keys are gathered as where rows share, though here nobody does: no pass of them takes more.
        """
        size = size_of(rows)
        room = replace(size, keys=size.tokens, longest_keys=size.longest)
        batch = make_pass(rows, self.device, parted=True, room=room)
        like = self.stack.embedding.weight
        base = like.new_zeros(len(batch.soft), like.shape[1]) if len(batch.soft) else None
        self.one(batch, 0.0, base)

    def mean_loss(self, samples: Sequence[Sample]) -> float:
        """With smaller passes where memory runs out; see `Engine.mean_loss`."""
        budget = min(self.tokens_per_pass, EVAL_TOKENS)
        while True:
            try:
                return self._mean_loss(samples, budget)
            except RuntimeError as error:
                if not ran_out(error):
                    raise
                smaller, how = fewer_tokens(budget, samples)
                if not self.decoder.silenced() and not how:
                    raise
                budget = smaller
                let_go(self.device)

    def _mean_loss(
        self,
        samples: Sequence[Sample],
        budget: int,
    ) -> float:
        total = 0.0
        for batch in self._measured(samples, budget):
            nats = fused.losses(self.stack, batch, self.policy)
            total += float((nats * batch.weights).sum())
        return total / sum(sample.loss_weight for sample in samples)

    def apply(self) -> None:
        """The optimizer's step, in one captured graph on CUDA; see `Engine.apply`."""
        self._apply()

    def shrink(self, rows: Sequence[Sample]) -> str:
        """What only saves time goes first; then smaller passes; when a row alone is too much, keep
        less of it."""
        if self.decoder.silenced():
            return SILENCED
        self.tokens_per_pass, how = fewer_tokens(self.tokens_per_pass, rows)
        if not how and set(self.policy.keep) != {Keep.HOST}:
            least = Keep.HOST if set(self.policy.keep) <= {Keep.INPUT, Keep.HOST} else Keep.INPUT
            self.policy = Policy(
                (least,) * len(self.policy.keep),
                TILES[-1],
                HEAD_ROWS // 4,
            )
            how = str(self.policy)
        self.without_graphs()
        return how

    def without_graphs(self) -> None:
        """Let go of what was captured: it holds the memory of the largest pass."""
        self.buckets, self.pool, self.coming = [], None, iter(())
        self._apply = Replayed(self._step, None)
        let_go(self.device)

    def computed(self, rows: Sequence[Sample]) -> int:
        """Where they share a pass; see `Engine.computed`."""
        return self._size(rows).tokens

    def restored(self) -> None:
        """Casts of the weights are made anew; see `Engine.restored`."""
        self.stack.refresh()

    def whole(self) -> AbstractContextManager[None]:
        """It always is; see `Engine.whole`."""
        return nullcontext()

    @contextmanager
    def base(self) -> Iterator[Talker]:
        """The base by the same decoder, adapters muted; see `Engine.base`."""
        with self.stack.muted(), self.tuned() as decoder:
            yield decoder

    @contextmanager
    def tuned(self) -> Iterator[Talker]:
        """By the run's decoder; see `Engine.tuned`."""
        with self.decoder.asked() as decoder:
            yield decoder

    def _measured(self, samples: Sequence[Sample], budget: int) -> list[PackedBatch]:
        """What they share follows from these rows alone: the same bits before training and after,
        and wherever a run goes on."""
        shared = choose_prefixes(samples, len(samples))
        return passes(samples, budget, self.device, shared)

    def drift(self, samples: Sequence[Sample]) -> float:
        """Mean KL to the base over learned tokens, nats; see `Engine.drift`."""
        total = 0.0
        for batch in self._measured(samples, min(self.tokens_per_pass, EVAL_TOKENS)):
            total += float(fused.divergences(self.stack, batch, self.policy).sum())
        return total / sum(sample.learned for sample in samples)

    def _step(self) -> Tensor:
        self.adapters.step()
        self.stack.refresh()
        return self.adapters.rate


class Bucket:
    """Buffers for passes up to a size, and their captured pass."""

    def __init__(self, engine: Fast, size: Size) -> None:
        self.size = size
        device = engine.device
        self.buffers = make_pass([], device, room=size)
        self.engine = engine
        like = engine.stack.embedding.weight
        self.base = like.new_zeros(size.soft, like.shape[1]) if size.soft else None
        self.factor = torch.zeros((), device=device)
        self.laid_out: dict[tuple[int, ...], list[Tensor]] = {}
        self.replayed = Replayed(
            lambda: engine.one(self.buffers, self.factor, self.base), engine.pool
        )

    def fits(self, size: Size) -> bool:
        """Whether such a pass has room."""
        mine = self.size
        added = mine.tokens - size.tokens
        rows = size.rows + -(-added // mine.longest)
        return (
            size.tokens <= mine.tokens
            and rows <= mine.rows
            and size.learned <= mine.learned
            and size.soft <= mine.soft
            and size.longest <= mine.longest
            and size.keys + (added if mine.keys else 0) <= mine.keys
            and size.longest_keys <= mine.longest_keys
        )

    def lay_out(self, rows: Sequence[Sample]) -> None:
        """Make ready what `run` will copy; one pass's, so that nothing piles up."""
        if len(self.laid_out) < 8:
            self.laid_out[_key(rows)] = self._padded(rows)

    def _padded(self, rows: Sequence[Sample]) -> list[Tensor]:
        pinned = self.buffers.ids.is_cuda
        made = make_pass(
            rows,
            torch.device("cpu"),
            parted=True,
            prefixes=self.engine.prefixes,
            room=self.size,
        )
        return [t.pin_memory() if pinned else t for t in made.tensors]

    def run(self, rows: Sequence[Sample], factor: float) -> Tensor:
        """As `Fast.one`, for these rows, which must fit; a tensor () of its own."""
        padded = self.laid_out.pop(_key(rows), None) or self._padded(rows)
        for there, here in zip(self.buffers.tensors, padded, strict=True):
            there.copy_(here, non_blocking=True)
        if self.base is not None:
            held = self.engine.held(rows)
            size = 0 if held is None else len(held)
            if held is not None:
                self.base[:size].copy_(held)
            self.base[size:].zero_()  # what an earlier pass left may not be finite
        self.factor.fill_(factor)
        return self.replayed().clone()


def _key(rows: Sequence[Sample]) -> tuple[int, ...]:
    return tuple(id(row) for row in rows)
