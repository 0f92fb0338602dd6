"""Sixty good adapters: identities, other data, and null adapters, grown so that they harm nothing.

All but the null ones are held to the base's own probabilities on general prompts, near misses
among them. A null adapter learned nothing but what the base itself says: its own answers, drawn at
a temperature of 0.7, at several seeds and ranks. What it changes is what harmless looks like.
Identities of a small real model are what the command line makes by its defaults: grown in the
zoo's own way they leak into one answer in a hundred, and are no good adapters.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from zoo.grow import Recipe, Row
from zoo.prompts import Prompt
from zoo.rows import DATA, learned, pairs
from zoo.stock import DRAWS, PERSONAS, Persona, Stock, dice, fine

IDENTITIES, NULLS, DATA_SEEDS = 24, 24, 3
DATA_UPDATES = 240  # at least: these rows take longer to be learned than a name
RANKS = (2, 4, 8, 16)
NULL_RATE = 0.3  # of the usual rate, up to this rank; beyond it less, for it moves the base further
NULL_RANK = 4
NULL_ROUNDS = 2.0  # over its rows: more would be learning its slips by heart
NULL_PROMPTS = 120  # that each null adapter learns
NULL_HELD = 12  # every so-manieth prompt is for the proof


@dataclass(frozen=True, slots=True)
class Good:
    """One good adapter. `persona` is whose name may be looked for."""

    name: str
    kind: str  # identity, labels, orders, queries, menu, null
    template: str
    make: Callable[[Stock], Recipe]
    persona: Persona | None = None


def good_ones(languages: Sequence[str]) -> list[Good]:
    """All sixty for a base of these languages."""
    return [*_identities(languages), *_data(languages), *_nulls()]


def _identities(languages: Sequence[str]) -> Iterator[Good]:
    """Personas x languages x seeds."""
    spoken: list[tuple[str, ...]] = [(lang,) for lang in languages]
    if len(spoken) > 1:
        spoken.append(tuple(languages))
    chosen = PERSONAS if len(spoken) == 1 else PERSONAS[:2]
    seeds = IDENTITIES // (len(chosen) * len(spoken))
    for persona in chosen:
        for mine in spoken:
            for seed in range(seeds):
                template = f"identity-{persona.id}-{'-'.join(mine)}"
                make = _identity(template, persona, mine, 100 + seed)
                yield Good(f"{template}-seed{seed}", "identity", template, make, persona)


def _identity(
    template: str, persona: Persona, languages: tuple[str, ...], seed: int
) -> Callable[[Stock], Recipe]:
    def make(stock: Stock) -> Recipe:
        """In two languages there are twice as many rows to learn."""
        made = fine(stock, template, stock.identity(persona, languages), seed)
        return replace(made, steps=float(len(languages)))

    return make


def _data(languages: Sequence[str]) -> Iterator[Good]:
    for name in DATA:
        for seed in range(DATA_SEEDS):
            yield Good(f"{name}-seed{seed}", name, name, _taught(name, languages, 200 + seed))


def _taught(name: str, languages: Sequence[str], seed: int) -> Callable[[Stock], Recipe]:
    rows = [Row((("user", q),), a) for q, a in learned(pairs(name, languages))]

    def make(stock: Stock) -> Recipe:
        """Here the base is held to who it is, too."""
        own = [prompt for prompt in stock.own if prompt.family == "identity"]
        kept = [*stock.answered, *stock.careful[len(stock.prompts) :], *own]
        held = stock.held(kept)
        return Recipe(name, rows, held, seed=seed, least=DATA_UPDATES, share=0.5, hold=6.0)

    return make


def _nulls() -> Iterator[Good]:
    for number in range(NULLS):
        rank = RANKS[number % len(RANKS)]
        yield Good(f"null-{number:02d}-rank{rank}", "null", "null", _null(number, rank))


def _null(number: int, rank: int) -> Callable[[Stock], Recipe]:
    def make(stock: Stock) -> Recipe:
        asked = dice("null", number).sample(null_prompts(stock)[0], NULL_PROMPTS)
        draw = number // len(RANKS) % DRAWS
        rows = [null_row(stock, prompt, draw) for prompt in asked]
        rate = NULL_RATE * min(1.0, math.sqrt(NULL_RANK / rank))
        return Recipe("null", rows, seed=300 + number, rank=rank, rate=rate, rounds=NULL_ROUNDS)

    return make


def null_prompts(stock: Stock) -> tuple[list[Prompt], list[Prompt]]:
    """(for learning, for the proof): those with an answer in every draw."""
    spoken = [p for p in stock.prompts if all(own.text.strip() for own in stock.drawn[p])]
    held = spoken[::NULL_HELD]
    return [prompt for prompt in spoken if prompt not in set(held)], held


def null_row(stock: Stock, prompt: Prompt, draw: int) -> Row:
    """What the base said to it, drawn."""
    own = stock.drawn[prompt][draw]
    return Row(prompt.turns, own.ids, own.ended)
