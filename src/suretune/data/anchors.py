"""Anchors: general questions that the base answers before training, so that it is held to them.

The answers are the base's own (self-distillation, as in "Learning without Forgetting", Li & Hoiem
2016), so no outside data are needed and nothing that it could do is learned anew. Anchors share
each update with the rows: `anchor_ratio` of the loss is theirs, whatever their length and number.
The questions are in `anchors.*.jsonl`, a language each, in the kinds that the proof asks; about a
third are near misses, questions in the identity's own shapes about something else: these are what a
new name leaks into. They share neither wording nor matter with the proof, and have no answers. Some
are kept apart: on them, never learned, drift is measured.
"""

from __future__ import annotations

import json
import random
from array import array
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cache, lru_cache
from math import ceil
from pathlib import Path
from typing import Any

from suretune.data.identity import plain
from suretune.data.render import prompt_ids, with_system
from suretune.data.template import ChatTokenizer, TemplateRefused
from suretune.types import Message, Origin, Plan, Sample, Span, Update

LANGUAGES = ("en", "zh")
NEAR = "near"
CATEGORIES = (
    NEAR,
    "facts",
    "sums",
    "code",
    "formats",
    "translation",
    "system",
    "refusal",
    "turns",
    "advice",
    "writing",
)
NEAR_SHARE = 1 / 3  # of what is dealt; the other categories as much as each other
NAME = "anchors"  # in place of a dataset's name
APART = 32  # questions that only measure
MOST = 480  # that are learned where a row has one: each costs an answer of the base before training
LONGEST = 48
"""Tokens of an answer; what is cut there does not learn to end there.

Of 352 answers of the pocket model 284, 308 and 322 come to their end within 32, 48 and 64 tokens;
they take 6,884, 7,743 and 8,320 tokens, and 2, 1 and 1 of 522 general answers leaked afterwards,
the skills kept alike: `suretune init identity --name Nova --author "Acme AI"`, then `suretune sft
--model pocket --dataset identity.jsonl --probes probes.yaml --seed 1`, a run each.
"""
OPENING = 16
"""Tokens of an answer that a wide model is held to by its base's probabilities, where it learns who
it is alone; elsewhere of those to near misses. Whether a new name leaks is decided in how an answer
begins, and that weighs what the rest would share with it (docs/recipes.md)."""
LEAST = 4  # of an update


@dataclass(frozen=True, slots=True)
class General:
    """A question of the files. `template`: its wording's shape; `entities`: what it is about."""

    lang: str
    line: int  # of its file
    category: str
    template: str
    entities: tuple[str, ...]
    messages: tuple[Message, ...]

    @property
    def name(self) -> str:
        """The same in every run: the language and the line of its file."""
        return f"{self.lang}-{self.line}"

    @property
    def asked(self) -> str:
        """What the user says last."""
        return self.messages[-1].content


@dataclass(frozen=True, slots=True)
class Anchor:
    """A question and the prompt that asks it."""

    general: General
    prompt: tuple[int, ...]


@cache
def general_questions() -> tuple[General, ...]:
    """All of them: English, then Chinese, in the files' order."""
    made = []
    for lang in LANGUAGES:
        lines = (Path(__file__).parent / _file(lang)).read_text("utf-8").splitlines()
        for number, text in enumerate(lines, 1):
            line = json.loads(text)
            messages = tuple(Message(m["role"], m["content"]) for m in line["messages"])
            entities = tuple(line["entities"])
            made.append(
                General(lang, number, line["category"], line["template"], entities, messages)
            )
    return tuple(made)


def _file(lang: str) -> str:
    return f"anchors.{lang}.jsonl"


def make_anchors(
    tokenizer: ChatTokenizer,
    system: str | None,
    seen: Collection[str],
) -> list[Anchor]:
    """Those that no row asks (`seen`: the rows' questions, plain), as training asks: with its
    system prompt where they bring none. What the template does not take (some know no system
    prompt) is left out."""
    words = _Words(
        tokenizer.vocabulary,
        tokenizer.template,
        tokenizer.day,
        json.dumps(tokenizer.config, sort_keys=True, default=str),
        tokenizer,
    )
    made = []
    if tokenizer.timed or not tokenizer.plain:
        prompts = _prompts.__wrapped__(words, system)
    else:
        prompts = _prompts(words, system)
    for question, ids in zip(general_questions(), prompts, strict=True):
        asked = any(m.role == "user" and plain(m.content) in seen for m in question.messages)
        if ids is None or asked:
            continue
        made.append(Anchor(question, ids))
    return made


@dataclass(frozen=True, slots=True)
class _Words:
    """All that decides which ids a prompt has, and who makes them of it."""

    vocabulary: Any
    template: str
    day: date | None
    config: str
    tokenizer: ChatTokenizer = field(compare=False)


@lru_cache(maxsize=2)
def _prompts(
    words: _Words,
    system: str | None,
) -> tuple[tuple[int, ...] | None, ...]:
    """The prompt of each general question; None where the template refuses it."""
    talks = [with_system(question.messages, system) for question in general_questions()]
    words.tokenizer.render_ahead((talk, (), True, None) for talk in talks)
    made: list[tuple[int, ...] | None] = []
    for talk in talks:
        try:
            made.append(tuple(prompt_ids(words.tokenizer, talk)))
        except TemplateRefused:
            made.append(None)
    return tuple(made)


def dealt(
    anchors: Sequence[Anchor],
    uses: int,
    seed: int,
    per_row: float = 1.0,
) -> tuple[list[Anchor], list[Anchor]]:
    """(to be learned, for drift): as many as `uses` can take in, up to `most_of(per_row)`, in all
    languages: a new name leaks also into those that the base does not speak. A smaller deal is the
    beginning of a larger one."""
    order = _evenly(anchors, seed)
    return order[APART : APART + min(uses, most_of(per_row))], order[:APART]


def most_of(per_row: float) -> int:
    """How many anchors are learned at most where every row has so many."""
    return ceil(MOST * max(1.0, per_row))


def _evenly(
    anchors: Sequence[Anchor],
    seed: int,
) -> list[Anchor]:
    """In an order of which every beginning has its share of each kind and language. Where a kind
    has no more of them, the others go on."""
    order = list(anchors)
    pick = random.Random(f"{seed}-deal")
    pick.shuffle(order)
    cells = {(a.general.category, a.general.lang) for a in order}
    langs = Counter(category for category, _ in cells)
    rest = (1 - NEAR_SHARE) / (len(langs.keys() - {NEAR}) or 1)
    places: Counter[tuple[str, str]] = Counter()
    keys = []
    for anchor in order:
        category, lang = anchor.general.category, anchor.general.lang
        share = NEAR_SHARE if category == NEAR else rest
        keys.append((places[category, lang] + pick.random()) * langs[category] / share)
        places[category, lang] += 1
    return [anchor for _, anchor in sorted(zip(keys, order, strict=True), key=lambda pair: pair[0])]


def spread(
    samples: Sequence[Sample],
    turns: Sequence[int],
) -> list[Sample]:
    """Each sample as often as `turns` says, its turns as far from each other as they can be; the
    order of those that have one stays."""
    number = len(samples)
    placed = [
        ((place + turn * number / often) % number, place, sample)
        for place, (sample, often) in enumerate(zip(samples, turns, strict=True))
        for turn in range(often)
    ]
    return [sample for _, _, sample in sorted(placed, key=lambda one: one[:2])]


def uses_of(
    plan: Plan,
    ratio: float,
    per_row: float = 1.0,
) -> int:
    """How often an anchor is learned in a whole plan."""
    return sum(_wanted(update, per_row) for update in plan.updates) if ratio else 0


def _wanted(
    update: Update,
    per_row: float,
) -> int:
    return max(LEAST, ceil(len(update.samples) * per_row))


def answered(
    anchor: Anchor,
    said: Sequence[int],
    stop: int | None,
) -> Sample:
    """The anchor with its answer; `stop` is the token that ended it, if it came to its end."""
    ids = [*anchor.prompt, *said, *([] if stop is None else [stop])]
    span = Span(len(anchor.prompt), len(ids), 1.0)
    origin = Origin(_file(anchor.general.lang), anchor.general.line)
    return Sample(origin, NAME, array("I", ids), (span,), "flag")


def stand_in(
    anchor: Anchor,
    tokens: int,
) -> Sample:
    """The longest sample that the anchor can become, with an answer of so many tokens: what memory
    is planned for."""
    return answered(anchor, [0] * tokens, None)


def mixed(
    samples: Sequence[Sample],
    plan: Plan,
    anchors: Sequence[Sample],
    ratio: float,
    per_row: float = 1.0,
) -> tuple[list[Sample], Plan]:
    """The rows followed by every use of an anchor, and the plan that uses them.

    The updates take them in their order, from the first again where they end, `per_row` a row;
    together they weigh ratio / (1 - ratio) of what the rows weigh, and each as much as the other.
    The digest stays: anchors follow from the base and the plan.
    """
    made = list(samples)
    if not anchors or not ratio:
        return made, plan
    updates = []
    used = 0
    for update in plan.updates:
        wanted = _wanted(update, per_row)
        each = update.loss_weight * ratio / (1 - ratio) / wanted
        chosen = [anchors[(used + i) % len(anchors)] for i in range(wanted)]
        weighed = [_weighing(sample, each) for sample in chosen]
        updates.append(_with(update, weighed, len(made)))
        made += weighed
        used += wanted
    tokens = sum(update.tokens for update in updates)
    learned = sum(update.learned for update in updates)
    return made, replace(
        plan,
        updates=tuple(updates),
        tokens=tokens,
        learned=learned,
        anchor_tokens=tokens - plan.tokens,
        anchor_learned=learned - plan.learned,
        longest=max(plan.longest, *(len(sample.ids) for sample in anchors)),
    )


def _weighing(
    sample: Sample,
    weight: float,
) -> Sample:
    """The same sample, its learned tokens together this heavy in the loss."""
    each = weight / sample.learned
    return replace(sample, spans=tuple(replace(span, weight=each) for span in sample.spans))


def _with(
    update: Update,
    used: Sequence[Sample],
    start: int,
) -> Update:
    return replace(
        update,
        samples=(*update.samples, *range(start, start + len(used))),
        tokens=update.tokens + sum(len(sample.ids) for sample in used),
        learned=update.learned + sum(sample.learned for sample in used),
        loss_weight=update.loss_weight + sum(sample.loss_weight for sample in used),
    )
