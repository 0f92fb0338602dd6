"""How many tokens share a pass of a base whose own weights learn: as many as there is room for.

To call a layer takes the host as long for few tokens as for many: of a 3B shape a pass of 4,096
tokens hardly takes longer than one of 2,048.
"""

from __future__ import annotations

from collections.abc import Sequence

from suretune.data.deal import deal
from suretune.data.plan import packs
from suretune.model.full import Whole
from suretune.model.memory import SLACK, Shape, gathered, plain_needed, shape_of
from suretune.model.tuned import inner
from suretune.train.plain_engine import PLAIN_TOKENS, parted
from suretune.train.shards import ShardedWhole
from suretune.types import Plan, Sample

Size = tuple[bool, int, int]  # of a pass: whether it is held to the base, tokens, learned tokens
BUDGETS = (16384, 8192, 4096, 2048)  # where memory is planned: the first that fits
SOFT = 4  # times the memory of a learned token, of one that is held to the base by autograd


def roomiest(
    model: Whole,
    there: float,
    samples: Sequence[Sample],
    plan: Plan,
) -> int:
    """The most tokens a pass, up to what BUDGETS has, whose forecast fits into the bytes that are
    there; PLAIN_TOKENS where even these do not, or the forecast does not know the layers."""
    inside = inner(model)
    try:
        shape = shape_of(inside.config.to_dict(), inside.dtype.itemsize)
    except KeyError:
        return PLAIN_TOKENS
    room, processes = there - SLACK, 1
    if isinstance(model, ShardedWhole):
        room, processes = room - gathered(shape), model.mesh.size()
    for budget in BUDGETS:
        needs = dearest_pass(
            shape,
            samples,
            plan,
            budget,
            processes,
        )
        if needs <= room:
            return max(budget, PLAIN_TOKENS)
    return PLAIN_TOKENS


def dearest_pass(
    shape: Shape,
    samples: Sequence[Sample],
    plan: Plan,
    budget: int,
    processes: int,
) -> float:
    """Bytes that the plan's passes take at most, by transformers' own layers: those of each
    process's rows, and apart from them those of its rows held to the base."""
    most = 0.0
    for update in plan.updates:
        rows = [samples[i] for i in update.samples]
        for share in deal([len(row.ids) for row in rows], processes):
            for soft, tokens, learned in pass_sizes([rows[i] for i in share], budget):
                needs = plain_needed(
                    shape,
                    tokens,
                    learned * (SOFT if soft else 1),
                )
                most = max(most, needs)
    return most


def pass_sizes(rows: Sequence[Sample], budget: int) -> list[Size]:
    """Of the passes in which one process computes these rows of an update."""
    return [
        (
            soft,
            sum(len(part[i].ids) for i in group),
            sum(part[i].learned for i in group),
        )
        for part, soft in parted(rows)
        for group in packs([len(row.ids) for row in part], budget)
    ]
