"""Answers of a `Stack`: a static cache, one CUDA graph a step, and stops that the device sees.

Prompts are read in one pass without padding. Then each step takes one token of every row; on CUDA
the step is captured once per number of rows and room of the cache, and replayed: choice, stop test,
positions and the answers so far live on the device, so the host need not look at every token.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from suretune.model.cuda_graph import Line, captured
from suretune.model.decode_layers import read, step
from suretune.model.device import ran_out
from suretune.model.kv_cache import Cache, cache_bytes, make_cache
from suretune.model.sampling import pick
from suretune.model.stack import Stack

ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256)  # of a step; what is missing is filled with dead rows
GRAPH = 64 * 2**20  # bytes: what a captured step works in, libraries' work space included
ROOM = 256  # tokens, the least; then its powers of two
LOOK = 16  # steps between two looks at whether all rows are finished
CACHE_BYTES = 4 * 2**30  # for keys and values: more rows than fit are asked in turns
NOTHING = -1  # in place of the tokens of a finished row


@dataclass(slots=True)
class Table:
    """B rows under way, all of it on the device at addresses that stay."""

    cache: Cache
    tokens: Tensor  # (B,) int64, the newest of each row
    positions: Tensor  # (B,) int64, where they stand
    finished: Tensor  # (B,) bool
    history: Tensor  # (room, B) int64: what each step gave
    at: Tensor  # (1,) int64, the next step's line of the history
    stops: Tensor  # (V,) bool
    logits: Tensor  # (B, V)
    graphs: dict[bool, Any] = field(default_factory=dict)  # greedy or not -> torch.cuda.CUDAGraph

    def take(self, token: Tensor) -> None:
        """token (B,) is each row's next, unless it has finished, or finishes by it."""
        self.finished |= self.stops[token]
        line = torch.where(self.finished, NOTHING, token)
        self.history.index_copy_(0, self.at, line[None])
        self.tokens.copy_(torch.where(self.finished, self.tokens, token))
        self.positions += ~self.finished
        self.at += 1


def make_table(stack: Stack, rows: int, room: int) -> Table:
    """An empty table of `rows` rows, each with room for `room` tokens of prompt and answer."""
    device = stack.embedding.weight.device
    words = stack.head.weight.shape[0]

    def zeros(*shape: int, dtype: torch.dtype = torch.long) -> Tensor:
        return torch.zeros(shape, dtype=dtype, device=device)

    return Table(
        make_cache(stack, rows, room),
        tokens=zeros(rows),
        positions=zeros(rows),
        finished=zeros(rows, dtype=torch.bool),
        history=zeros(room, rows),
        at=zeros(1),
        stops=zeros(words, dtype=torch.bool),
        logits=zeros(rows, words, dtype=stack.head.weight.dtype),
    )


class Decoder:
    """Speaks for a stack. `stack.refresh()` after each change of its adapters is the owner's duty;
    a change of the model's own weights, in place, is heard by itself.

    lean: Triton's products for at most 16 rows (else cuBLAS); graphs: capture steps on CUDA; most:
    rows of a step of `generate`.
    """

    def __init__(
        self,
        stack: Stack,
        lean: bool = True,
        graphs: bool = True,
        room_bytes: int | None = None,
    ) -> None:
        self.stack = stack
        self.lean = lean
        self.graphs = graphs and self.device.type == "cuda"
        self.most = ROWS[-1]
        self._tables: dict[tuple[int, int], Table] = {}  # at rest, the oldest first
        self.room_bytes = room_bytes or self._half_of_what_is_free()

    @property
    def device(self) -> torch.device:
        """Where the base's weights are."""
        return self.stack.embedding.weight.device

    def _half_of_what_is_free(self) -> int:
        if self.device.type != "cuda":
            return CACHE_BYTES
        free, _ = torch.cuda.mem_get_info(self.device)
        held = torch.cuda.memory_reserved(self.device) - torch.cuda.memory_allocated(self.device)
        return min(CACHE_BYTES, (free + held + self._cached_bytes()) // 2)

    def look_round(self) -> None:
        """Before it is asked again after a while: others may have taken memory, or given it."""
        self.room_bytes = self._half_of_what_is_free()

    def _cached_bytes(self) -> int:
        return sum(cache_bytes(self.stack, *key) for key in self._tables)

    def held_bytes(self) -> int:
        """What is held for the next answer: caches, scores, and what graphs work in."""
        words = self.stack.head.weight.shape[0] * self.stack.head.weight.element_size()
        scores = sum(2 * rows * words for rows, _ in self._tables)
        graphs = sum(len(table.graphs) for table in self._tables.values())
        return self._cached_bytes() + scores + graphs * GRAPH

    @torch.inference_mode()
    def generate(
        self,
        prompts: Sequence[Sequence[int]],
        stop_ids: frozenset[int],
        max_new_tokens: int,
    ) -> list[list[int]]:
        """Greedy answers, in the prompts' order, without the stop token.

        RuntimeError where memory runs out even after all that is held was given back.
        """
        given: list[list[int]] = [[] for _ in prompts]
        # The longest first: they say how much room is needed, and the rest of the batch has it.
        order = sorted(range(len(prompts)), key=lambda i: -len(prompts[i]))
        start = 0
        while start < len(order) and max_new_tokens > 0:
            most = self._most_rows(_room(len(prompts[order[start]]) + max_new_tokens))
            batch = order[start : start + most]
            said = self._answers(
                [prompts[i] for i in batch],
                stop_ids,
                max_new_tokens,
            )
            for index, answer in zip(batch, said, strict=True):
                given[index] = answer
            start += len(batch)
        return given

    def _answers(
        self,
        prompts: Sequence[Sequence[int]],
        stop_ids: frozenset[int],
        max_new_tokens: int,
    ) -> list[list[int]]:
        """Where memory runs out, what is held for other answers is given back first."""
        try:
            return self._said(prompts, stop_ids, max_new_tokens)
        except RuntimeError as error:
            if not (self._tables and ran_out(error)):
                raise
        self.release()
        return self._said(prompts, stop_ids, max_new_tokens)

    def _said(
        self,
        prompts: Sequence[Sequence[int]],
        stop_ids: frozenset[int],
        max_new_tokens: int,
    ) -> list[list[int]]:
        self.stack.reread()
        key, table = self._take(prompts, max_new_tokens, greedy=True)
        try:
            self._begin(table, prompts, stop_ids, 0.0, 1.0, None)
            done = 1
            while done < max_new_tokens:
                if done % LOOK == 0 and bool(table.finished.all()):
                    break
                self._next(table, 0.0, 1.0, None)
                done += 1
            said = table.history[:done, : len(prompts)].t().tolist()
        finally:
            self._rest(key, table)
        return [line[: line.index(NOTHING)] if NOTHING in line else line for line in said]

    @torch.inference_mode()
    def stream(
        self,
        prompts: Sequence[Sequence[int]],
        stop_ids: frozenset[int],
        max_new_tokens: int,
        temperature: float = 0.0,
        top_p: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> Iterator[list[tuple[int, int]]]:
        """Yields, per step, (prompt index, new token id) of every row that is still talking.

        A stop token ends its row and is not yielded. At most 256 prompts (ValueError).
        """
        if not prompts or max_new_tokens <= 0:
            return
        self.stack.reread()
        key, table = self._take(
            prompts,
            max_new_tokens,
            greedy=temperature <= 0,
        )
        try:
            self._begin(
                table,
                prompts,
                stop_ids,
                temperature,
                top_p,
                generator,
            )
            for done in range(max_new_tokens):
                line = Line(table.history[done, : len(prompts)])
                if done + 1 < max_new_tokens:  # the device goes on while the host looks
                    self._next(table, temperature, top_p, generator)
                said = [(row, token) for row, token in enumerate(line.read()) if token != NOTHING]
                if not said:
                    return
                yield said
        finally:
            self._rest(key, table)

    @torch.inference_mode()
    def last_logits(self, prompts: Sequence[Sequence[int]]) -> Tensor:
        """(prompts, V) float32 on the CPU: the logits behind each prompt, each computed alone."""
        self.stack.reread()
        return torch.cat([read(self.stack, [p], None) for p in prompts]).float().cpu()

    def release(self, but: float = 0.0) -> None:
        """Give back what is held for the next answer, caches and graphs; the oldest go first, until
        no more than so many bytes are held."""
        for key in list(self._tables):
            if self.held_bytes() <= but:
                return
            del self._tables[key]

    def _most_rows(self, room: int) -> int:
        fitting = [
            rows
            for rows in ROWS
            if rows <= self.most and cache_bytes(self.stack, rows, room) <= self.room_bytes
        ]
        return max(fitting, default=1)

    def _take(
        self,
        prompts: Sequence[Sequence[int]],
        max_new_tokens: int,
        greedy: bool,
    ) -> tuple[tuple[int, int], Table]:
        """An idle `Table` of at least len(prompts) rows, and its key; its step is captured.

        ValueError for more than 256 prompts.
        """
        if len(prompts) > ROWS[-1]:
            raise ValueError(f"{len(prompts)} prompts at once, at most {ROWS[-1]}")
        rows = next(n for n in ROWS if n >= len(prompts))
        key = rows, _room(max(map(len, prompts)) + max_new_tokens)
        table = self._tables.pop(key, None)
        if table is None:
            self._make_room(cache_bytes(self.stack, *key))
            table = make_table(self.stack, *key)
        if self.graphs and greedy not in table.graphs:
            table.graphs[greedy] = self._captured(
                self._greedy_step if greedy else self._step, table
            )
        return key, table

    def _captured(
        self,
        run: Callable[[Table], None],
        table: Table,
    ) -> Any:
        table.positions.zero_()
        table.at.zero_()
        return captured(lambda: run(table))

    def _make_room(self, wanted: int) -> None:
        """Forget the tables that waited longest."""
        held = self._cached_bytes()
        for key in list(self._tables):
            if held + wanted <= self.room_bytes:
                return
            del self._tables[key]
            held -= cache_bytes(self.stack, *key)

    def _rest(self, key: tuple[int, int], table: Table) -> None:
        self._tables.pop(key, None)  # two streams at once had one each; the newer stays
        self._tables[key] = table

    def _begin(
        self,
        table: Table,
        prompts: Sequence[Sequence[int]],
        stop_ids: frozenset[int],
        temperature: float,
        top_p: float,
        generator: torch.Generator | None,
    ) -> None:
        """Read the prompts and take the first tokens."""
        rows = len(prompts)
        lengths = torch.tensor([len(prompt) - 1 for prompt in prompts])
        table.positions.zero_()[:rows] = lengths.to(self.device)
        table.tokens.zero_()
        table.at.zero_()
        table.finished.fill_(True)[:rows] = False
        stops = [i for i in sorted(stop_ids) if i < len(table.stops)]
        table.stops.zero_()[torch.tensor(stops, dtype=torch.long, device=self.device)] = True
        table.logits.zero_()[:rows] = read(
            self.stack,
            prompts,
            table.cache,
        )
        table.take(pick(table.logits, temperature, top_p, generator))

    def _next(
        self,
        table: Table,
        temperature: float,
        top_p: float,
        generator: torch.Generator | None,
    ) -> None:
        """One more token of every row."""
        greedy = temperature <= 0
        if self.graphs:
            table.graphs[greedy].replay()
        elif greedy:
            self._greedy_step(table)
        else:
            self._step(table)
        if not greedy:
            table.take(pick(table.logits, temperature, top_p, generator))

    def _step(self, table: Table) -> None:
        cache, lean = table.cache, self.lean
        table.logits.copy_(step(self.stack, table.tokens, table.positions, cache, lean))

    def _greedy_step(self, table: Table) -> None:
        found = step(
            self.stack,
            table.tokens,
            table.positions,
            table.cache,
            self.lean,
        )
        table.take(found.argmax(-1))


def _room(tokens: int) -> int:
    """Few sizes, so that few graphs serve all."""
    room = ROOM
    while room < tokens:
        room *= 2
    return room
