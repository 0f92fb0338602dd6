"""Rows of an update -> whose they are, where several processes compute one update. Pure.

The loss of an update is normalised over all its tokens before it is dealt, so whoever has a row
gives it the weight that it has among all: the sum of the gradients is that of one process.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from suretune.rundir import digest_of
from suretune.types import Plan, Sample

# Tokens from which a token's attention costs as much as its matrices: 12 times a width of 4,096,
# for full attention. Of narrower models long rows cost a little more than is reckoned here.
EVEN = 49_152


def cost(length: int) -> float:
    """What a row of so many tokens costs, in tokens of a short row."""
    return length * (1 + length / EVEN)


def deal(
    lengths: Sequence[int],
    size: int,
) -> list[list[int]]:
    """For each of `size` processes the places of its rows, in their order.

    The longest row first, each to whoever has least so far, the first of those (Graham 1969: at
    most 4/3 of the best). A process may have none.
    """
    shares: list[list[int]] = [[] for _ in range(size)]
    loads = [0.0] * size
    for place in sorted(range(len(lengths)), key=lambda place: -lengths[place]):
        least = loads.index(min(loads))
        shares[least].append(place)
        loads[least] += cost(lengths[place])
    return [sorted(share) for share in shares]


def share_of(
    rows: Sequence[Sample],
    rank: int,
    size: int,
) -> list[Sample]:
    """The rows of an update that process `rank` of `size` computes."""
    return [rows[place] for place in deal([len(row.ids) for row in rows], size)[rank]]


def plan_share(
    plan: Plan,
    samples: Sequence[Sample],
    rank: int,
    size: int,
) -> Plan:
    """The plan as process `rank` of `size` computes it: updates of its rows, which may be none."""
    updates = []
    for update in plan.updates:
        shares = deal([len(samples[i].ids) for i in update.samples], size)
        updates.append(replace(update, samples=tuple(update.samples[i] for i in shares[rank])))
    digest = digest_of([plan.digest, rank, size])
    return replace(plan, updates=tuple(updates), digest=digest)
