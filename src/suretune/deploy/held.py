"""A base in memory with the slots that share it: in this process, or in one that serves for it."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from suretune.data.base import Base
from suretune.facts import SetupFacts
from suretune.model.device import DTYPES, free_memory
from suretune.model.kv_cache import cache_bytes
from suretune.model.load import load_base
from suretune.model.slots import Slots
from suretune.model.stack import Stack, make_stack
from suretune.model.weight_stream import begin
from suretune.refusal import Refusal
from suretune.types import Text

ROWS = {"cuda": 64, "cpu": 8}
SHARE = 0.8  # of what is free, for keys and values
GIB = 2**30


@dataclass(frozen=True, slots=True)
class Hold:
    """What to load, and how many slots there shall be; it can be sent to another process.

    `rows`: as many slots, or a refusal; None: as many as fit, up to what is usual. `room`: tokens
    of each. `ranks`: of all adapters together. `sharing`: processes that compute on these cores and
    have this memory together.
    """

    base: Base
    fingerprint: str
    device: str
    dtype: str
    room: int
    rows: int | None
    max_loras: int
    ranks: int
    sharing: int = 1


@dataclass(frozen=True, slots=True)
class Held:
    """A base in memory, and how many slots there is room for."""

    asked: Hold
    stack: Stack
    device: torch.device
    rows: int

    def table(self, rows: int) -> Slots:
        """So many slots without adapters: whoever drives them loads those."""
        if self.device.type == "cuda":
            torch.cuda.empty_cache()  # what a table before this one had
        asked = self.asked
        return Slots(self.stack, rows, asked.room, asked.max_loras, asked.ranks)


def hold(asked: Hold) -> Held:
    """Load it. Refusal where its engine cannot compute it, or the slots do not fit."""
    device = torch.device(asked.device)
    begin(asked.base, device, DTYPES[asked.dtype])
    model = load_base(asked.base, device, asked.dtype, "sdpa")
    stack = make_stack(model, learning=False)
    if isinstance(stack, str):
        raise Refusal(SetupFacts("cannot-serve", asked.base.name, found=stack))
    return Held(asked, stack, device, _rows(asked, stack, device))


def _rows(asked: Hold, stack: Stack, device: torch.device) -> int:
    """As many slots as were asked for, or a refusal; without a word as many as fit."""
    rows = asked.rows or ROWS[device.type]
    free = SHARE * free_memory(device) / asked.sharing
    while not asked.rows and rows > 1 and cache_bytes(stack, rows, asked.room) > free:
        rows //= 2
    wanted = cache_bytes(stack, rows, asked.room)
    if wanted > free:
        raise Refusal(no_room(rows, asked.room, room_of(wanted, free)))
    return rows


def room_of(wanted: float, free: float) -> Text:
    """Bytes that would be taken, and that are free."""
    return Text(
        f"{wanted / GIB:.1f} GiB of {free / GIB:.1f} GiB",
        f"需要 {wanted / GIB:.1f} GiB，可用 {free / GIB:.1f} GiB",
    )


def no_room(rows: int, room: int, found: Text) -> SetupFacts:
    """What is told where the slots do not fit."""
    return SetupFacts(
        "slots-too-large",
        f"{rows} x {room}",
        found=found,
    )
