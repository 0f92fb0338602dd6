"""Anchors: general questions that the base answers before training, so that it is held to them.

The answers are the base's own (self-distillation, as in "Learning without Forgetting", Li & Hoiem
2016), so no outside data are needed and nothing that it could do is learned anew. Anchors share
each update with the rows: `anchor_ratio` of the loss is theirs, whatever their length and number.
The questions are in `anchors.txt`. Some are kept apart: on them, never learned, drift is measured.
"""

from __future__ import annotations

import random
from array import array
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cache
from math import ceil
from pathlib import Path

from suretune.data.identity import plain
from suretune.data.render import prompt_ids, with_system
from suretune.data.template import ChatTokenizer
from suretune.types import Message, Origin, Plan, Sample, Span, Update

FILE = "anchors.txt"
NAME = "anchors"  # in place of a dataset's name
APART = 32  # questions that only measure
MOST = 160  # that are learned: each costs an answer of the base before training
LONGEST = 64  # tokens of an answer; what is cut there does not learn to end there


@dataclass(frozen=True, slots=True)
class Anchor:
    """A question and the prompt that asks it."""

    question: str
    prompt: tuple[int, ...]
    line: int  # of the file


@cache
def questions() -> tuple[str, ...]:
    """All of them, in the file's order."""
    return tuple((Path(__file__).parent / FILE).read_text("utf-8").splitlines())


def make_anchors(
    tokenizer: ChatTokenizer, system: str | None, seen: Collection[str]
) -> list[Anchor]:
    """Those that no row asks (`seen`: the rows' questions, plain), as training asks."""
    made = []
    for line, question in enumerate(questions(), 1):
        if plain(question) in seen:
            continue
        messages = with_system((Message("user", question),), system)
        made.append(Anchor(question, tuple(prompt_ids(tokenizer, messages)), line))
    return made


def dealt(anchors: Sequence[Anchor], uses: int, seed: int) -> tuple[list[Anchor], list[Anchor]]:
    """(to be learned, for drift): as many as `uses` can take in, up to `MOST`."""
    order = list(anchors)
    random.Random(f"{seed}-deal").shuffle(order)
    apart = order[:APART]
    return order[APART : APART + min(uses, MOST)], apart


def uses_of(plan: Plan, ratio: float) -> int:
    """How often an anchor is learned in a whole plan."""
    return sum(_wanted(update, ratio) for update in plan.updates)


def _wanted(update: Update, ratio: float) -> int:
    return ceil(len(update.samples) * ratio / (1 - ratio)) if ratio else 0


def answered(anchor: Anchor, said: Sequence[int], stop: int | None) -> Sample:
    """The anchor with its answer; `stop` is the token that ended it, if it came to its end."""
    ids = [*anchor.prompt, *said, *([] if stop is None else [stop])]
    span = Span(len(anchor.prompt), len(ids), 1.0)
    return Sample(Origin(FILE, anchor.line), NAME, array("I", ids), (span,), "flag")


def stand_in(anchor: Anchor) -> Sample:
    """The longest sample that the anchor can become: what memory is planned for."""
    return answered(anchor, [0] * LONGEST, None)


def mixed(
    samples: Sequence[Sample], plan: Plan, anchors: Sequence[Sample], ratio: float, seed: int
) -> tuple[list[Sample], Plan]:
    """The rows followed by every use of an anchor, and the plan that uses them.

    Each update takes its share of anchors in an order of its own; together they weigh
    ratio / (1 - ratio) of what its rows weigh, and each as much as the other. The digest stays:
    anchors follow from the base and the plan.
    """
    made = list(samples)
    if not anchors or not ratio:
        return made, plan
    deck: list[int] = []
    pick = random.Random(f"{seed}-anchors")
    updates = []
    for update in plan.updates:
        wanted = _wanted(update, ratio)
        while len(deck) < wanted:
            order = list(range(len(anchors)))
            pick.shuffle(order)
            deck += order
        chosen, deck = [anchors[i] for i in deck[:wanted]], deck[wanted:]
        each = update.loss_weight * ratio / (1 - ratio) / wanted
        used = [_weighing(sample, each) for sample in chosen]
        updates.append(_with(update, used, len(made)))
        made += used
    return made, replace(
        plan,
        updates=tuple(updates),
        tokens=sum(update.tokens for update in updates),
        learned=sum(update.learned for update in updates),
        longest=max(plan.longest, *(len(sample.ids) for sample in anchors)),
    )


def _weighing(sample: Sample, weight: float) -> Sample:
    """The same sample, its learned tokens together this heavy in the loss."""
    each = weight / sample.learned
    return replace(sample, spans=tuple(replace(span, weight=each) for span in sample.spans))


def _with(update: Update, used: Sequence[Sample], start: int) -> Update:
    return replace(
        update,
        samples=(*update.samples, *range(start, start + len(used))),
        tokens=update.tokens + sum(len(sample.ids) for sample in used),
        learned=update.learned + sum(sample.learned for sample in used),
        loss_weight=update.loss_weight + sum(sample.loss_weight for sample in used),
    )
