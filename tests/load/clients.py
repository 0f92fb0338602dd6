"""The clients: most ask and compare, some leave, some send garbage, some dawdle, some hold on.

Meanwhile a librarian brings an adapter, asks it, and takes it away again.
"""

from __future__ import annotations

import asyncio
import json
import random
import struct
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from socket import SO_LINGER, SOL_SOCKET

from load.garbage import GARBAGE, MAY_BE_GOOD
from load.questions import Question
from load.wire import Address, Answer, connect, exchange, put_together

PATIENCE = 120.0  # seconds for one exchange; longer is a hang, and counts as wrong
TOLD = 40  # problems that are told in words
HOLD_SECONDS = 25.0  # a header that never ends must be cut off within this
# What a client does next, and how often.
HABITS = {"ask": 70, "leave": 14, "garbage": 12, "dawdle": 4}


@dataclass
class Tally:
    """What happened, counted."""

    counts: Counter[str] = field(default_factory=Counter)
    tokens: int = 0
    first_s: list[float] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def wrong(self, what: str) -> None:
        self.counts["wrong"] += 1
        self.problem(what)

    def problem(self, what: str) -> None:
        if len(self.problems) < TOLD:
            self.problems.append(what)


@dataclass(frozen=True)
class Crowd:
    """All clients of one run."""

    address: Address
    questions: Sequence[Question]
    models: Sequence[str]
    until: float
    tally: Tally

    async def client(self, seed: int) -> None:
        """One client after another habit, until time is over."""
        draw = random.Random(seed)
        habits = {
            "ask": self._ask, "leave": self._leave, "garbage": self._garbage,
            "dawdle": self._dawdle,
        }  # fmt: skip
        await asyncio.sleep(draw.random())  # they do not come all at once
        while time.monotonic() < self.until:
            habit = draw.choices(list(HABITS), list(HABITS.values()))[0]
            self.tally.counts["requests"] += 1
            try:
                await asyncio.wait_for(habits[habit](draw), PATIENCE)
            except (TimeoutError, asyncio.TimeoutError):
                self.tally.wrong(f"{habit}: no end after {PATIENCE:.0f} s")
            except OSError as error:
                self.tally.wrong(f"{habit}: {type(error).__name__}: {error}")

    async def librarian(self, name: str, asked: Sequence[Question]) -> None:
        """An adapter comes and goes between the steps of all others; it answers as it did alone."""
        while time.monotonic() < self.until:
            await self._order("load", {"lora_name": name, "lora_path": name})
            told = [exchange(self.address, q.sent(self.address)) for q in asked]
            for question, answer in zip(asked, await asyncio.gather(*told), strict=True):
                self.tally.counts["requests"] += 1
                await self._judge(question, answer)
            await self._order("unload", {"lora_name": name})
            self.tally.counts["loads"] += 1
            await asyncio.sleep(0.2)

    async def _order(self, what: str, about: Mapping[str, str]) -> None:
        sent = self.address.request(f"/v1/{what}_lora_adapter", json.dumps(about).encode())
        told = await exchange(self.address, sent)
        if told.status != 200:
            self.tally.wrong(f"{what}: {told.status} {told.body[:200]!r}")
            await asyncio.sleep(1)

    async def _ask(self, draw: random.Random) -> None:
        question = draw.choice(self.questions)
        told = await exchange(self.address, question.sent(self.address))
        await self._judge(question, told)

    async def _dawdle(self, draw: random.Random) -> None:
        """A slow reader: a few hundred bytes at a time, through a small window."""
        question = draw.choice(self.questions)
        sent = question.sent(self.address)
        told = await exchange(self.address, sent, block=600, pause=0.2, buffer=4096)
        self.tally.counts["dawdled"] += 1
        await self._judge(question, told)

    async def _judge(self, question: Question, told: Answer) -> None:
        tally = self.tally
        if told.status in (429, 503):
            tally.counts["refused"] += 1
            await asyncio.sleep(min(told.retry_after, 5.0))
            return
        if told.status != 200:
            tally.counts["five_hundreds"] += told.status >= 500
            tally.wrong(f"{told.status} to a good request: {told.body[:200]!r}")
            return
        said = put_together(told.body)
        if not said.whole:
            tally.wrong(f"cut short: {said} of {question.answer!r}")
        elif (said.text, said.end) != (question.answer, question.end):
            tally.wrong(f"{question.body}: {said.text!r}, alone {question.answer!r}")
        else:
            tally.counts["answered"] += 1
            tally.tokens += said.tokens
            if told.first_s is not None:
                tally.first_s.append(told.first_s)

    async def _leave(self, draw: random.Random) -> None:
        """Hang up at a random point, by FIN or by RST."""
        sent = draw.choice(self.questions).sent(self.address)
        cut = draw.randrange(1, len(sent)) if draw.random() < 0.3 else len(sent)
        reader, writer = await connect(self.address)
        try:
            writer.write(sent[:cut])
            await writer.drain()
            if cut == len(sent):
                for _ in range(draw.randrange(0, 6)):
                    if not await reader.read(400):
                        break
            if draw.random() < 0.5:
                link = writer.get_extra_info("socket")
                link.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
        except ConnectionError:
            self.tally.counts["cut off"] += 1
        finally:
            writer.close()
        self.tally.counts["disconnects"] += 1

    async def _garbage(self, draw: random.Random) -> None:
        name = draw.choice(list(GARBAGE))
        sent = GARBAGE[name](self.address, draw.choice(self.models), draw)
        try:
            told = await exchange(self.address, sent)
        except ConnectionError:  # closed while it was still being sent: an answer, too
            self.tally.counts["garbage"] += 1
            return
        self.tally.counts["garbage"] += 1
        if told.status >= 500 and told.status != 503:
            self.tally.counts["five_hundreds"] += 1
            self.tally.problem(f"{told.status} to {name}: {told.body[:200]!r}")
        elif told.status == 200 and name not in MAY_BE_GOOD:
            self.tally.wrong(f"200 to {name}: {told.body[:200]!r}")

    async def holder(self, seed: int) -> None:
        """A connection whose header never ends: the server has to hang up, and soon."""
        draw = random.Random(seed)
        while time.monotonic() < self.until:
            begun = time.monotonic()
            try:
                reader, writer = await connect(self.address)
            except OSError as error:
                self.tally.wrong(f"hold: {type(error).__name__}: {error}")
                return
            try:
                writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\n")
                drip = draw.random() < 0.5
                while time.monotonic() < begun + HOLD_SECONDS:
                    writer.write(b"X-A: b\r\n" if drip else b"")
                    try:
                        await asyncio.wait_for(reader.read(1), 2.0)
                        break  # an answer, or the end
                    except (TimeoutError, asyncio.TimeoutError):
                        if time.monotonic() > self.until:
                            return
                else:
                    self.tally.counts["held"] += 1
                    self.tally.problem(f"a header without end was kept for {HOLD_SECONDS:.0f} s")
                self.tally.counts["half open"] += 1
            except ConnectionError:
                self.tally.counts["half open"] += 1
            finally:
                writer.close()
