"""Which cards a job fits, how long its rows may be there, and how many updates an hour: forecasts.

Memory is the plan's own (`model/memory.py`), which the engine proves on the card before it trains.
Speed is the share of a card's matrix rate that was measured on one card, at the rate that the maker
names for another: no figure here was measured on the card that it stands beside.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from suretune.model.memory import CONTEXT, GIB, Shape, choose_policy, fixed, least_needed
from suretune.model.recompute import Keep
from suretune.tuning import TUNERS
from suretune.tuning.door import Tuner
from suretune.tuning.full import ADAMW, ADAMW_8BIT, FULL

ROW = 2048  # tokens of the row that a forecast is about, half of them learned
MOST = 32_768  # tokens: for longer rows none of SIZES was made
# Of Qwen2.5, as their config.json have them: the forecast needs no file of theirs.
SIZES = {
    "Qwen2.5-0.5B": Shape(
        layers=24,
        hidden=896,
        heads=14,
        kv_heads=2,
        head_dim=64,
        inner=4864,
        vocabulary=151_936,
        tied=True,
        bytes=2,
    ),
    "Qwen2.5-1.5B": Shape(
        layers=28,
        hidden=1536,
        heads=12,
        kv_heads=2,
        head_dim=128,
        inner=8960,
        vocabulary=151_936,
        tied=True,
        bytes=2,
    ),
    "Qwen2.5-3B": Shape(
        layers=36,
        hidden=2048,
        heads=16,
        kv_heads=2,
        head_dim=128,
        inner=11_008,
        vocabulary=151_936,
        tied=True,
        bytes=2,
    ),
    "Qwen2.5-7B": Shape(
        layers=28,
        hidden=3584,
        heads=28,
        kv_heads=4,
        head_dim=128,
        inner=18_944,
        vocabulary=152_064,
        tied=False,
        bytes=2,
    ),
    "Qwen2.5-14B": Shape(
        layers=48,
        hidden=5120,
        heads=40,
        kv_heads=8,
        head_dim=128,
        inner=13_824,
        vocabulary=152_064,
        tied=False,
        bytes=2,
    ),
    "Qwen2.5-32B": Shape(
        layers=64,
        hidden=5120,
        heads=40,
        kv_heads=8,
        head_dim=128,
        inner=27_648,
        vocabulary=152_064,
        tied=False,
        bytes=2,
    ),
    "Qwen2.5-72B": Shape(
        layers=80,
        hidden=8192,
        heads=64,
        kv_heads=8,
        head_dim=128,
        inner=29_568,
        vocabulary=152_064,
        tied=False,
        bytes=2,
    ),
}
IN_USE = 0.5 * GIB  # of a card, by the driver and whatever else is there
# What a layer's second forward pass costs, of its first pass forward and back (flops: 1 and 2).
AGAIN = {Keep.ALL: 0.0, Keep.MLP_AGAIN: 0.58 / 2, Keep.INPUT: 1 / 2, Keep.HOST: 1 / 2}
# docs/benchmarks.md: packed rows of the 7B shape in bfloat16 on an H200, whose maker names 989.
MEASURED_TOKENS, MEASURED_ON = 18_880, 989e12
TOGETHER = 0.96  # of as many cards: 3.85 of four were measured, docs/benchmarks.md

SOON = 0.02  # seconds of an update: below it, what is computed is not what takes the time


@dataclass(frozen=True, slots=True)
class Card:
    """A card as it is sold. `rate`: dense bfloat16 products with sums in float32, flops a second,
    by NVIDIA's data sheets and its paper on the Ada architecture."""

    name: str
    memory: int  # GiB
    rate: float

    @property
    def room(self) -> float:
        """Bytes for a run, its CUDA context among them."""
        return self.memory * GIB - IN_USE + CONTEXT


CARDS = (
    Card("RTX 4070 Ti", 12, 80.2e12),
    Card("RTX 4080", 16, 97.5e12),
    Card("RTX 4090", 24, 165.2e12),
    Card("L40S", 48, 362.0e12),
    Card("A100", 80, 312.0e12),
)


@dataclass(frozen=True, slots=True)
class Job:
    """What an update of a run computes: tokens of its longest row and of all its rows, and how many
    of each are learned. `rank`: of adapters in all layers that weigh as much as the run's; `ranks`:
    by train type, where it is another one."""

    longest: int
    longest_learned: int
    tokens: float
    learned: float
    rank: int
    ranks: Mapping[str, int] = field(default_factory=dict)


A_ROW = Job(ROW, ROW // 2, ROW, ROW / 2, 8)  # where no rows are named


@dataclass(frozen=True, slots=True)
class Fit:
    """A card, a train type (optim: and what its moments are in, where the base learns itself), and
    what follows: bytes at the least, whether that is there, the
    longest row in tokens (0: not even one of 1,024), updates an hour: None where the card is not
    what limits, and for a type whose speed was measured nowhere."""

    card: str
    memory: int
    train_type: str
    needs: float
    fits: bool
    longest: int
    updates_an_hour: int | None
    optim: str = ""


def fits(
    shape: Shape,
    job: Job,
    most: int = MOST,
    learned: float = 1.0,
    optim: str | None = None,
    together: int = 1,
) -> Iterator[Fit]:
    """Every train type on every card, the smallest card first. most: tokens the model takes;
    learned: the share of its own values that learns where they do; optim: None for float32 where
    that fits, else 8 bits; together: cards of the kind. What learns of a base is then in shards of
    them, with moments in float32; of a base that does not, each holds all."""
    for card in CARDS:
        for tuner in TUNERS.values():
            if tuner.packed and shape.lengths:  # C006
                continue
            held = replace(shape, packed=tuner.packed, learned=learned if tuner.whole else 0.0)
            if tuner.whole:
                held = replace(held, lengths=False, processes=together)
                yield _whole(held, job, card, most, ADAMW if together > 1 else optim)
            else:
                yield _fit(held, job, card, tuner, most, together)


def _whole(
    shape: Shape,
    job: Job,
    card: Card,
    most: int,
    optim: str | None,
) -> Fit:
    """By the moments that were asked for, else by the widest that fit."""
    each = {ADAMW: shape.moments, ADAMW_8BIT: shape.moments_8bit}
    ways = [
        replace(_fit(replace(shape, moments=each[name]), job, card, FULL, most), optim=name)
        for name in ((optim,) if optim else each)
    ]
    return next((way for way in ways if way.fits), ways[-1])


def _fit(
    shape: Shape,
    job: Job,
    card: Card,
    tuner: Tuner,
    most: int,
    together: int = 1,
) -> Fit:
    job = replace(job, rank=job.ranks.get(tuner.name, job.rank))
    needs = least_needed(shape, job.rank, job.longest, job.longest_learned)
    there = needs <= card.room
    # What unpacking or lengths cost was not measured, nor the plain engine on a card.
    known = not (shape.packed or shape.lengths or shape.learned)
    return Fit(
        card=card.name,
        memory=card.memory,
        train_type=tuner.name,
        needs=needs,
        fits=there,
        longest=longest_row(shape, job.rank, card.room, most),
        updates_an_hour=_an_hour(shape, job, card, together) if there and known else None,
    )


def longest_row(
    shape: Shape,
    rank: int,
    room: float,
    most: int = MOST,
) -> int:
    """Tokens of the longest row, half of them learned, that so many bytes take: a multiple of
    1,024, or `most` where that is less."""
    low, high = 0, max(1, most // 1024)
    while low < high:
        middle = (low + high + 1) // 2
        wanted = least_needed(shape, rank, middle * 1024, middle * 512)
        low, high = (middle, high) if wanted <= room else (low, middle - 1)
    return min(low * 1024, most)


def _an_hour(
    shape: Shape,
    job: Job,
    card: Card,
    together: int,
) -> int | None:
    room = card.room - fixed(shape, job.rank)
    policy = choose_policy(shape, room, job.longest, job.longest_learned)
    keeps = policy.keep if policy else (Keep.HOST,) * shape.layers
    again = sum(AGAIN[keep] for keep in keeps) / len(keeps)
    flops = shape.flops(round(job.tokens), round(job.learned)) * (1 + again)
    cards = together * TOGETHER if together > 1 else 1
    seconds = flops / (reached() * card.rate * cards)
    # In tens below a thousand, in hundreds below ten thousand, ...: it is no measurement.
    return int(float(f"{3600 / seconds:.2g}")) if seconds >= SOON else None


def reached() -> float:
    """The share of the maker's rate that packed rows reached where it was measured."""
    body = SIZES["Qwen2.5-7B"].flops(1, 0)
    return MEASURED_TOKENS * body / MEASURED_ON
