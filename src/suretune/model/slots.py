"""Continuous batching over a `Stack`: requests come and go, and a step gives each of them a token.

A request sits in a slot, which is a row of one cache of keys and values, from admission until it
ends or is dropped. On CUDA a step is captured once per power of two of slots, and the device is one
step ahead: while the host looks at one step's tokens the next one runs, and what that gives to a
row that has ended meanwhile is not told. What a row says does not depend on the others:
greedy, or drawn by numbers of its own.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from suretune.model.cuda_graph import Line, captured, sent
from suretune.model.decode_layers import logits as logits_of
from suretune.model.decode_layers import read, step
from suretune.model.groups import Foreign
from suretune.model.kv_cache import make_cache
from suretune.model.lora import Match
from suretune.model.multi_lora import LoraPool
from suretune.model.sampling import drawn, likelihoods
from suretune.model.stack import Stack

STOP, LENGTH, BROKEN = "stop", "length", "broken"
NO_TOKEN = -1  # in place of one that would be chosen among numbers that are not finite
NEAR = 64  # positions: without graphs, a step looks at as many as are needed, in these units
MOST_LOGPROBS = 20
TILE = 256  # tokens of a prompt whose likelihoods are computed at once
Top = tuple[tuple[int, float], ...]


@dataclass(frozen=True, slots=True)
class Ask:
    """One request, already tokens."""

    prompt: tuple[int, ...]
    stop_ids: frozenset[int]
    max_new_tokens: int
    adapter: str | None = None  # None: the base alone
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = None  # None: drawn
    logprobs: int | None = None  # None: none; n: the chosen token's and the n likeliest
    echo: bool = False  # of the prompt's own tokens, too; then no new token need be asked for


@dataclass(frozen=True, slots=True)
class Said:
    """What one step gave one row. Log-probabilities are the model's, at temperature 1."""

    slot: int
    token: int | None  # None: the row ended, by a stop token or because its logits are not finite
    end: str | None  # None, "stop", "length" or "broken"
    logprob: float | None = None
    top: Top = ()
    prompt: tuple[tuple[float, Top], ...] = ()  # of an echo, but for its first token
    stopped: int | None = None  # of an echo: the stop token, which is counted among its tokens


@dataclass(slots=True, eq=False)
class _Row:
    """A request in its slot."""

    slot: int
    ask: Ask
    numbers: random.Random
    begun: int = 0  # tokens that the device was asked for
    told: int = 0

    @property
    def position(self) -> int:
        """Where the token stands that the next step reads."""
        return len(self.ask.prompt) + self.begun - 1

    @property
    def goes_on(self) -> bool:
        return self.begun < self.ask.max_new_tokens


@dataclass(frozen=True, slots=True)
class _Flight:
    """A step's tokens on their way to the host, and whose they are."""

    rows: list[_Row]
    at: list[int]  # where in the line each row is
    line: Line
    likely: list[_Row]  # who asked for log-probabilities
    logs: tuple[Line, ...]  # of the tokens, the highest, and whose these are


class Slots:
    """`rows` slots of `room` tokens each. Not thread-safe: one thread owns it and its stack.

    The stack has no adapters of its own; `lean` and `graphs` are as `Decoder` has them.
    """

    def __init__(
        self,
        stack: Stack,
        rows: int,
        room: int,
        max_loras: int,
        max_ranks: int,
        lean: bool = True,
        graphs: bool = True,
    ) -> None:
        self.stack, self.rows, self.room, self.lean = stack, rows, room, lean
        self.device: torch.device = stack.embedding.weight.device
        self.graphs = graphs and self.device.type == "cuda"
        self.ahead = self.device.type == "cuda"  # elsewhere nothing runs while the host looks
        self.many = LoraPool(stack, max_loras, max_ranks, rows)
        self.cache = make_cache(stack, rows, room)
        self.vocabulary = min(stack.embedding.num_embeddings, stack.head.weight.shape[0])
        self._rows: list[_Row | None] = [None] * rows
        self._going: list[_Row] = []  # whom the device knows to be under way
        self._flight: _Flight | None = None
        # On the device, at addresses that stay:
        self._tokens = torch.zeros(rows, dtype=torch.long, device=self.device)  # to be read next
        self._line = torch.zeros_like(self._tokens)  # the newest, or NO_TOKEN
        self._state = torch.zeros(2, rows, dtype=torch.long, device=self.device)
        self._positions, self._alive = self._state  # of `_tokens`; 1 or 0
        words = stack.head.weight.shape[0]
        self._logits = torch.zeros(rows, words, dtype=stack.head.weight.dtype, device=self.device)
        self._captured: dict[tuple[int, bool], Any] = {}  # rows, adapters told apart -> CUDAGraph
        self._captured_ranks = 0
        self._pool = torch.cuda.graph_pool_handle() if self.graphs else None

    @property
    def free(self) -> int:
        """Slots that nobody sits in."""
        return self._rows.count(None)

    @property
    def adapters(self) -> tuple[str, ...]:
        """Names of the adapters that are loaded, in the order of loading."""
        return tuple(self.many.blocks)

    def refusal(self, ask: Ask) -> str:
        """Why a request can never be admitted; nothing if it can, once a slot is free."""
        tokens = len(ask.prompt) + ask.max_new_tokens
        if not ask.prompt or ask.max_new_tokens < (0 if ask.echo else 1):
            return "a prompt of at least one token, and at least one new token, are needed"
        if tokens > self.room:
            return (
                f"{len(ask.prompt)} tokens of prompt and {ask.max_new_tokens} new ones are "
                f"{tokens}; there is room for {self.room}"
            )
        if min(ask.prompt) < 0 or max(ask.prompt) >= self.vocabulary:
            return f"a token id is not between 0 and {self.vocabulary - 1}"
        if ask.adapter is not None and ask.adapter not in self.many.blocks:
            return f"no adapter named {ask.adapter} is loaded"
        if not (isfinite(ask.temperature) and ask.temperature >= 0):
            return f"a temperature of {ask.temperature} is not 0 or more"
        if not 0 <= ask.top_p <= 1:  # 0: the likeliest
            return f"a top_p of {ask.top_p} is not between 0 and 1"
        if ask.logprobs is not None and not 0 <= ask.logprobs <= MOST_LOGPROBS:
            return f"{ask.logprobs} log-probabilities, at most {MOST_LOGPROBS}"
        return ""

    @torch.inference_mode()
    def admit(self, asks: Sequence[Ask]) -> list[tuple[int, Said]]:
        """Read the prompts of all of them; the slot of each and its first token, in their order.

        ValueError, before anything happens, where one cannot be admitted or slots are missing.
        """
        for reason in map(self.refusal, asks):
            if reason:
                raise ValueError(reason)
        if len(asks) > self.free:
            raise ValueError(f"{len(asks)} requests, and {self.free} free slots")
        if not asks:
            return []
        slots = [slot for slot, row in enumerate(self._rows) if row is None][: len(asks)]
        names = [ask.adapter for ask in asks]
        rows = [_Row(slot, ask, _numbers(ask.seed)) for slot, ask in zip(slots, asks, strict=True)]
        self.many.assign(slots, names)
        for kept in (self.cache.keys, self.cache.values):
            for slot in slots:  # whatever a former request left there, were it not finite
                kept[:, slot].zero_()
        foreign = self.many.of(slots, names)
        echoes = [index for index, ask in enumerate(asks) if ask.echo and ask.logprobs is not None]
        whole: dict[int, Tensor | None] = dict.fromkeys(echoes)
        logits = read(self.stack, [ask.prompt for ask in asks], self.cache, slots, foreign, whole)
        line = _likeliest(logits)
        flight = self._begun(rows, list(range(len(rows))), logits, line)
        self._tokens[sent(slots, torch.long, self.device)] = line.clamp(min=0)
        for row in rows:
            self._rows[row.slot] = row
        told = {said.slot: said for said in self._told(flight)}
        for index, hidden in whole.items():
            if hidden is not None:
                prompt = self._echoed(asks[index], hidden)
                told[slots[index]] = replace(told[slots[index]], prompt=prompt)
        return list(told.items())

    def _echoed(self, ask: Ask, hidden: Tensor) -> tuple[tuple[float, Top], ...]:
        """How likely each token of a prompt was behind those before it, and what was likelier."""
        made: list[tuple[float, Top]] = []
        tokens = sent(list(ask.prompt[1:]), torch.long, self.device)
        for start in range(0, len(tokens), TILE):
            some = slice(start, min(start + TILE, len(tokens)))
            logits = logits_of(self.stack, hidden[some], False)
            found = likelihoods(logits, tokens[some], ask.logprobs or 0)
            for logprob, highest, whose in zip(*(part.tolist() for part in found), strict=True):
                made.append((logprob, tuple(zip(whose, highest, strict=True))))
        return tuple(made)

    @torch.inference_mode()
    def step(self) -> list[Said]:
        """A token of every row, but for those admitted after the device began this step.

        [] only if no row is left.
        """
        while self._flight is not None or self.free < self.rows:
            flight = self._flight or self._launch()
            self._flight = self._launch() if self.ahead else None
            if flight is not None and (said := self._told(flight)):
                return said
        return []

    def drop(self, slot: int) -> None:
        """Give up the request in a slot, which is free at once; ValueError if nobody sits there."""
        if self._rows[slot] is None:
            raise ValueError(f"nobody sits in slot {slot}")
        self._rows[slot] = None

    @torch.inference_mode()
    def load(self, name: str, folder: Path) -> Match:
        """Let requests name this adapter, if its match is without anything odd or not finite.

        ValueError if the name is taken or there is no room; an unreadable file raises what its
        reader raises.
        """
        match = self.many.load(name, folder)
        self._forget_graphs()
        return match

    def unload(self, name: str) -> None:
        """ValueError if it is not loaded, or while a request uses it."""
        if name not in self.many.blocks:
            raise ValueError(f"no adapter named {name} is loaded")
        users = [row.slot for row in self._rows if row is not None and row.ask.adapter == name]
        if users:
            raise ValueError(f"{len(users)} requests use {name}")
        self.many.unload(name)
        self._forget_graphs()

    def _forget_graphs(self) -> None:
        """If they compute another number of ranks than is in use now."""
        if self._captured and self.many.used != self._captured_ranks:
            torch.cuda.synchronize(self.device)  # one may be running
            self._captured.clear()

    def _launch(self) -> _Flight | None:
        """Begin a step of the rows that want one more token."""
        going = [row for row in self._rows if row is not None and row.goes_on]
        if not going:
            return None
        if going != self._going:
            self._send(going)
        rows = self._bucket(going[-1].slot + 1)
        foreign = self.many.of(slice(rows), (row.ask.adapter for row in going))
        if self.graphs:
            self._graph(rows, foreign).replay()
        else:
            self._step(rows, self._near(going), foreign)
        return self._begun(going, [row.slot for row in going], self._logits, self._line)

    def _send(self, going: list[_Row]) -> None:
        """Tell the device who is under way, and where; in every other slot is a dead row."""
        positions, alive = [0] * self.rows, [0] * self.rows
        for row in going:
            positions[row.slot], alive[row.slot] = row.position, 1
        self._state.copy_(sent([positions, alive], torch.long, self.device))
        self._going = going

    def _near(self, going: list[_Row]) -> int:
        """How far the reference of attention looks; kernels stop by themselves."""
        if self.device.type == "cuda":
            return self.room
        near = max(row.position for row in going) + 1
        return min(-(-near // NEAR) * NEAR, self.room)

    def _bucket(self, rows: int) -> int:
        """Powers of two on CUDA, for a graph is captured for each."""
        if self.device.type != "cuda":
            return rows
        return min(1 << (rows - 1).bit_length(), self.rows)

    def _graph(self, rows: int, foreign: Foreign | None) -> Any:
        key = rows, foreign is not None
        if key not in self._captured:
            alive = self._alive.clone()
            self._alive.zero_()  # so that capturing moves nobody
            self._captured[key] = captured(lambda: self._step(rows, self.room, foreign), self._pool)
            self._alive.copy_(alive)
            self._captured_ranks = self.many.used
        return self._captured[key]

    def _step(self, rows: int, near: int, foreign: Foreign | None) -> None:
        """One token of the first rows, all of which stand before `near`."""
        keys, values = self.cache.keys[:, :rows, :near], self.cache.values[:, :rows, :near]
        cache = replace(self.cache, keys=keys, values=values)
        tokens, positions, alive = self._tokens[:rows], self._positions[:rows], self._alive[:rows]
        logits = step(self.stack, tokens, positions, cache, self.lean, foreign)
        line = _likeliest(logits)
        self._logits[:rows].copy_(logits)
        self._line[:rows].copy_(line)
        tokens.copy_(torch.where(alive > 0, line.clamp(min=0), tokens))
        positions += alive

    def _begun(self, rows: list[_Row], at: list[int], logits: Tensor, line: Tensor) -> _Flight:
        """Draw where rows are drawn, and send to the host what it will tell.

        Row i's logits and its likeliest token are in line at[i] of `logits` and `line`.
        """
        for row in rows:
            row.begun += 1
        warm = [pair for pair in zip(rows, at, strict=True) if pair[0].ask.temperature > 0]
        for whole in (True, False):
            some = [pair for pair in warm if (pair[0].ask.top_p == 1) is whole]
            if some:
                self._draw(some, whole, logits, line)
        likely = [pair for pair in zip(rows, at, strict=True) if pair[0].ask.logprobs is not None]
        logs: tuple[Tensor, ...] = ()
        if likely:
            places = sent([place for _, place in likely], torch.long, self.device)
            most = max(row.ask.logprobs or 0 for row, _ in likely)
            logs = likelihoods(logits[places], line[places].clamp(min=0), most)
        return _Flight(rows, at, Line(line), [row for row, _ in likely], tuple(map(Line, logs)))

    def _draw(
        self,
        some: list[tuple[_Row, int]],
        whole: bool,
        logits: Tensor,
        line: Tensor,
    ) -> None:
        settings = [
            (place, row.slot, row.ask.temperature, row.ask.top_p, row.numbers.random())
            for row, place in some
        ]
        columns = sent(list(zip(*settings, strict=True)), torch.double, self.device)
        places, slots = columns[:2].long()
        found = drawn(logits[places], columns[2], None if whole else columns[3], columns[4])
        line[places] = torch.where(line[places] == NO_TOKEN, NO_TOKEN, found)
        self._tokens[slots] = found

    def _told(self, flight: _Flight) -> list[Said]:
        """What a flight brought to those who are still in their slots; the ended leave them."""
        line = flight.line.read()
        logs = [part.read() for part in flight.logs]
        likely = {id(row): index for index, row in enumerate(flight.likely)}
        told = []
        for row, place in zip(flight.rows, flight.at, strict=True):
            if self._rows[row.slot] is not row:
                continue
            said = _said(row, line[place])
            if said.stopped is not None or (said.token is not None and id(row) in likely):
                logprob, highest, whose = (part[likely[id(row)]] for part in logs)
                top = tuple(zip(whose, highest, strict=True))[: row.ask.logprobs]
                said = replace(said, logprob=logprob, top=top)
            if said.end is not None:
                self._rows[row.slot] = None
            told.append(said)
        return told


def _said(row: _Row, token: int) -> Said:
    if token == NO_TOKEN:
        return Said(row.slot, None, BROKEN)
    if row.ask.max_new_tokens == 0:
        return Said(row.slot, None, LENGTH)
    if token in row.ask.stop_ids:
        echo = row.ask.echo and row.ask.logprobs is not None
        return Said(row.slot, None, STOP, stopped=token if echo else None)
    row.told += 1
    return Said(row.slot, token, LENGTH if row.told == row.ask.max_new_tokens else None)


def _numbers(seed: int | None) -> random.Random:
    """Every seed its own: `Random` takes -5 for 5."""
    return random.Random(seed if seed is None else seed % 2**64)


def _likeliest(logits: Tensor) -> Tensor:
    """(B, V) -> (B,), NO_TOKEN where the largest is not finite, as it is if any is not a number."""
    token = logits.argmax(-1)
    return token.where(logits.gather(1, token[:, None])[:, 0].isfinite(), NO_TOKEN)
