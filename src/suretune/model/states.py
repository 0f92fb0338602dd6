"""What the base computes where soft rows are held to it: computed once, kept for the whole run.

The base never changes, so the hidden states that its probabilities follow from do not either: a row
that many updates use has them once. They depend on nothing but the rows that `prepare` is given, in
that order: not on how passes are cut, nor on where a run was resumed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from suretune.data.plan import packs
from suretune.data.prefixes import Prefixes, choose_prefixes
from suretune.model import fused
from suretune.model.device import ran_out
from suretune.model.packed_batch import make_pass
from suretune.model.stack import Stack
from suretune.types import Sample

TOKENS = 8192  # of rows that are computed in one pass, whatever training's passes hold

Key = tuple[bytes, tuple[tuple[int, int], ...]]


class States:
    """Per row the (learned, K) hidden states before the final norm, in the model's precision.

    `on_host`: they wait in page-locked host memory, where the device has no room for them.
    """

    def __init__(
        self,
        stack: Stack,
        *,
        on_host: bool = False,
    ) -> None:
        self.stack = stack
        self.on_host = on_host
        self._known: dict[Key, Tensor] = {}
        self._prefixes: Prefixes = ()  # that these rows share
        self._prepared: tuple[Key, ...] | None = None

    @property
    def device(self) -> torch.device:
        """Where the base's weights are."""
        return self.stack.embedding.weight.device

    def prepare(self, rows: Iterable[Sample]) -> None:
        """Compute those of all these rows, in their order; nothing where that was done already."""
        there = {key_of(row): row for row in rows}
        if self._prepared == tuple(there):
            return
        self._known = {}
        self._prefixes = choose_prefixes(list(there.values()), len(there))
        self._add(list(there.values()))
        self._prepared = tuple(there)

    def of(self, rows: Sequence[Sample]) -> Tensor:
        """(S, K) on the device: the rows' states behind each other, as a pass has its soft ones."""
        missing = {key_of(row): row for row in rows if key_of(row) not in self._known}
        if missing:
            self._prepared = None  # computed in other company than `prepare` would have it
            self._add(list(missing.values()))
        found = torch.cat([self._known[key_of(row)] for row in rows])
        if found.device == self.device:
            return found
        return found.pin_memory().to(self.device, non_blocking=True)

    def _add(self, rows: Sequence[Sample]) -> None:
        budget = TOKENS
        while True:
            try:
                self._compute(rows, budget)
            except RuntimeError as error:
                if not ran_out(error) or budget < 2:
                    raise
            else:
                return
            budget //= 2
            if self.device.type == "cuda":
                torch.cuda.empty_cache()

    def _compute(self, rows: Sequence[Sample], budget: int) -> None:
        # Not training's policy: it may change on the way, and other tiles are other bits.
        policy = fused.keep_all(self.stack)
        for group in packs([len(row.ids) for row in rows], budget):
            chosen = [rows[i] for i in group]
            states = fused.base_hidden(
                self.stack,
                make_pass(chosen, self.device, prefixes=self._prefixes),
                policy,
            )
            parts = torch.split(states, [row.learned for row in chosen])
            for row, part in zip(chosen, parts, strict=True):
                self._known[key_of(row)] = self._put(part)

    def _put(self, states: Tensor) -> Tensor:
        if not self.on_host or self.device.type != "cuda":
            return states.clone()  # of its own: a view would hold the whole pass
        there = torch.empty(
            states.shape,
            dtype=states.dtype,
            pin_memory=True,
        )
        return there.copy_(states)


def key_of(row: Sample) -> Key:
    """The same for every use of a row, whatever it weighs."""
    return row.ids.tobytes(), tuple((span.start, span.end) for span in row.spans)
