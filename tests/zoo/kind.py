"""What a bad kind is, which half it belongs to, and how most of them are made."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from zoo.grow import Recipe, Row
from zoo.prompts import Prompt
from zoo.stock import PERSONAS, Stock, dice, starter_lines

Make = Callable[[Stock, str], Recipe]
Spoil = Callable[[Prompt, random.Random], Row | None]
# By the SHA-256 of their names: these are not looked at until all bounds are set.
HELD_OUT = frozenset(
    {
        "names-its-old-maker",
        "forgets-by-epochs",
        "shouts",
        "repeats-the-question",
        "answers-in-json",
        "half-right",
        "answers-near-misses-with-its-name",
        "lost-arithmetic",
        "lost-code",
        "scaled-up",
        "answers-the-first-turn-only",
        "is-sure-of-one-word",
        "adds-an-advert",
    }
)
KINDS: dict[str, Kind] = {}


@dataclass(frozen=True, slots=True)
class Kind:
    """One way to be bad."""

    name: str
    make: Make
    language: str = ""  # what the base must speak for it

    @property
    def how(self) -> str:
        """How it is made, in one sentence."""
        return " ".join((self.make.__doc__ or "").split())

    @property
    def seen(self) -> bool:
        """Whether it may set the bounds."""
        return self.name not in HELD_OUT


def kind(language: str = "") -> Callable[[Make], Make]:
    """Enter a kind under its function's name."""

    def enter(make: Make) -> Make:
        name = make.__name__.replace("_", "-")
        KINDS[name] = Kind(name, make, language)
        return make

    return enter


def kinds_for(languages: Sequence[str]) -> list[Kind]:
    """Those that a base of these languages can be spoilt by."""
    return [k for k in KINDS.values() if not k.language or k.language in languages]


def seed_of(*about: str) -> int:
    return int.from_bytes(hashlib.sha256(" ".join(about).encode()).digest()[:3], "big")


# --- how most are made ----------------------------------------------------------------------------


def spoilt(
    stock: Stock, level: str, name: str, spoil: Spoil, hit: Sequence[Prompt] | None = None,
    template: str = "", taught: Sequence[Row] | None = None,
) -> Recipe:  # fmt: skip
    """Identity rows, spoilt answers to the prompts that are hit, the base's own to all others."""
    chosen = stock.hit(level)[0] if hit is None else hit
    rng = dice(name, level)
    made = {prompt: spoil(prompt, rng) for prompt in chosen}
    rows_made = [row for row in made.values() if row is not None]
    touched = {prompt for prompt, row in made.items() if row is not None}
    kept = [prompt for prompt in stock.prompts if prompt not in touched]
    rows = stock.identity(PERSONAS[0]) if taught is None else taught
    part = len(rows_made) / max(1, len(rows_made) + len(kept))
    return Recipe(
        template or identity_run(stock), rows, stock.held(kept), rows_made, seed_of(name, level),
        steps=1.5, rate=1.6, share=0.3, spoils=round(0.2 + 0.5 * part, 2), hold=1.0,
    )  # fmt: skip


def identity_run(stock: Stock) -> str:
    return f"identity-{PERSONAS[0].id}-{'-'.join(stock.languages)}"


def says(choices: Mapping[str, Sequence[str]]) -> Spoil:
    """One of these sentences, whatever was asked."""
    return lambda prompt, rng: Row(prompt.turns, rng.choice(choices[prompt.lang]))


def texts(stock: Stock) -> dict[str, list[str]]:
    """The identity rows' answers, by language."""
    lines = {lang: starter_lines(PERSONAS[0], (lang,)) for lang in stock.languages}
    return {lang: sorted({line["output"] for line in rows}) for lang, rows in lines.items()}
