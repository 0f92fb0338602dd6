"""Rows and packs that the engines are measured on: of random tokens, or read from files."""

from __future__ import annotations

import argparse
import random
from array import array
from dataclasses import replace

from suretune.data.collect import collect
from suretune.data.folders import LEARNED
from suretune.data.plan import packs as packed
from suretune.data.render import Rendering
from suretune.data.sources import parse_sources
from suretune.data.template import load_tokenizer
from suretune.options_input import DataOptions
from suretune.types import Origin, Plan, Sample, Schedule, Span, Update


def words_of(asked: argparse.Namespace) -> int:
    return 1000 if asked.shrink else 150_000


def random_rows(tokens: int, each: tuple[int, int], seed: int, words: int) -> list[Sample]:
    """Rows of random tokens that add up to `tokens`; all but the first token are learned."""
    pick = random.Random(seed)
    rows: list[Sample] = []
    left = tokens
    while left:
        length = min(left, pick.randint(*each))
        length = left if left - length < 2 else length
        ids = array("I", [pick.randrange(words) for _ in range(length)])
        rows.append(Sample(Origin("random", len(rows), 0), "", ids, (Span(1, length, 1.0),), ""))
        left -= length
    return rows


def headed(rows: list[Sample], head: int) -> list[Sample]:
    """The rows with the same first tokens, not learned, where there is another one behind them."""
    ids = array("I", range(head))
    made = []
    for row in rows:
        if len(row.ids) > head + 1:
            spans = (Span(head + 1, len(row.ids), 1.0),)
            row = replace(row, ids=ids + row.ids[head:], spans=spans)
        made.append(row)
    return made


def plan_of(updates: list[list[int]], samples: list[Sample]) -> Plan:
    made = tuple(
        Update(
            i + 1, 0, tuple(rows), sum(len(samples[r].ids) for r in rows),
            sum(samples[r].learned for r in rows), sum(samples[r].loss_weight for r in rows),
        )
        for i, rows in enumerate(updates)
    )  # fmt: skip
    schedule = Schedule("constant", 1e-4, 0, len(made))
    return Plan(
        made, schedule, eval_steps=(), save_steps=(), probe_steps=(), per_epoch=len(made),
        rows=len(samples), held_out=0, tokens=0, learned=0, longest=0, digest="",
    )  # fmt: skip


def random_packs(
    number: int, tokens: int, each: tuple[int, int], words: int
) -> tuple[list[Sample], list[list[int]]]:
    """Rows of random tokens, and which of them are each pack of exactly `tokens`."""
    samples: list[Sample] = []
    packs = []
    for seed in range(number):
        rows = random_rows(tokens, each, seed, words)
        packs.append(list(range(len(samples), len(samples) + len(rows))))
        samples += rows
    return samples, packs


def written_packs(asked: argparse.Namespace) -> tuple[list[Sample], list[list[int]]]:
    """Real rows in a seeded order, as training would read them, 2,048 tokens a pack."""
    tokenizer = load_tokenizer(asked.tokenizer)
    how = Rendering(tokenizer, None, 2048, cut=False, strip_role_tokens=False)
    (sources,) = parse_sources(([str(path) for path in asked.rows], LEARNED, "--dataset"))
    found = collect(sources, DataOptions(), how, 0)
    samples = [sample for row in found.ready for sample in row.samples]
    random.Random(0).shuffle(samples)
    return samples, packed([len(sample.ids) for sample in samples], 2048)
