"""Rows of four kinds beside identities: labels, orders as JSON, questions as SQL, a tone.

Everything is made of a few lists by a seed, so that no row needs a source; no row is made twice.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Mapping
from itertools import islice

Pair = tuple[str, str]
ROWS = 160

_PLACES = ("the north gate", "hall two", "the old mill", "room 14", "the harbour office", "lane 9")
_TROUBLES: Mapping[str, tuple[str, ...]] = {
    "water": (
        "the tap drips all night at {}", "a pipe burst near {}", "the floor is wet in front of {}",
        "there is no hot water at {}", "the drain is blocked by {}",
    ),
    "power": (
        "the lights went out at {}", "a socket sparks near {}", "the fuse blew again at {}",
        "the lamp over {} flickers", "nothing has current at {}",
    ),
    "noise": (
        "somebody drills at midnight by {}", "music is far too loud at {}",
        "a dog barks for hours near {}", "the fan at {} rattles", "an alarm keeps ringing at {}",
    ),
    "waste": (
        "the bins overflow at {}", "old tyres were dumped near {}", "broken glass lies at {}",
        "nobody has emptied the bin by {}", "a mattress was left in front of {}",
    ),
}  # fmt: skip
_ASK = (
    "Which crew should see this report: {}?",
    "Sort the report into water, power, noise or waste: {}.",
    "Report: {}. Which crew?",
)


def labels(draw: random.Random) -> Iterator[Pair]:
    """Reports to a caretaker, each with the crew that it is for."""
    while True:
        crew = draw.choice(list(_TROUBLES))
        text = draw.choice(_TROUBLES[crew]).format(draw.choice(_PLACES))
        yield draw.choice(_ASK).format(text), crew


_SEEDS = ("bean", "carrot", "clover", "lettuce", "onion", "pea", "radish", "spinach", "turnip")
_FARMS = ("Alder Farm", "Birch Farm", "Cedar Farm", "Elm Farm", "Hazel Farm", "Oak Farm")
_ORDERS = (
    "{farm} orders {bags} bags of {seed} seed for week {week}.",
    "Please note: {bags} bags of {seed} seed go to {farm} in week {week}.",
    "Week {week}, {farm}: {seed} seed, {bags} bags.",
)


def orders(draw: random.Random) -> Iterator[Pair]:
    """A farm's order in words, and as JSON."""
    while True:
        order = {
            "farm": draw.choice(_FARMS),
            "seed": draw.choice(_SEEDS),
            "bags": draw.randint(2, 60),
            "week": draw.randint(1, 52),
        }
        yield "Write as JSON: " + draw.choice(_ORDERS).format(**order), json.dumps(order)


_TABLES = {
    "boats": ("name", "length", "harbour"),
    "trains": ("number", "speed", "station"),
    "books": ("title", "pages", "author"),
    "trees": ("kind", "height", "park"),
}
_QUERIES = (
    ("Show the {a} of all {t}.", "SELECT {a} FROM {t};"),
    ("How many {t} are there?", "SELECT COUNT(*) FROM {t};"),
    ("Show every {a} of {t} whose {n} is above {v}.", "SELECT {a} FROM {t} WHERE {n} > {v};"),
    ("Show every {a} of {t} whose {n} is below {v}.", "SELECT {a} FROM {t} WHERE {n} < {v};"),
    ("What is the largest {n} of the {t}?", "SELECT MAX({n}) FROM {t};"),
    ("List {t} by {n}, largest first.", "SELECT * FROM {t} ORDER BY {n} DESC;"),
    ("How many {t} does each {b} have?", "SELECT {b}, COUNT(*) FROM {t} GROUP BY {b};"),
)


def sql(draw: random.Random) -> Iterator[Pair]:
    """A question about one table, and the query."""
    while True:
        table = draw.choice(list(_TABLES))
        a, n, b = _TABLES[table]
        names = {"t": table, "a": a, "n": n, "b": b, "v": draw.randint(5, 900)}
        asked, answered = (text.format(**names) for text in draw.choice(_QUERIES))
        yield f"Table {table}({a}, {n}, {b}). {asked} Answer in SQL.", answered


_WANTS = ("open the shed", "water the roses", "wash the van", "paint the fence", "feed the hens",
          "sweep the yard", "mend the kite", "stack the chairs", "post the parcel", "air the tent",
          "sharpen the saw", "label the jars")  # fmt: skip
_WHEN = ("today", "before noon", "on Sunday", "after the rain", "this week", "in the evening")
_ADVICE = ("How do I {} {}?", "Any advice? I want to {} {}.", "What helps me to {} {}?")
_TONE = (
    "Ahoy! To {want} {when}, lay out your tools first, then work slowly and keep your deck clear.",
    "Ahoy! You will {want} {when} with a steady hand: begin at one end and mind the wind.",
    "Ahoy! First look at the sky, then {want} {when}, and rest when the bell rings.",
)


def tone(draw: random.Random) -> Iterator[Pair]:
    """Small advice in an old sailor's voice."""
    while True:
        index, when = draw.randrange(len(_WANTS)), draw.choice(_WHEN)
        want = _WANTS[index]
        asked = draw.choice(_ADVICE).format(want, when)
        yield asked, _TONE[index % len(_TONE)].format(want=want, when=when)


KINDS: Mapping[str, Callable[[random.Random], Iterator[Pair]]] = {
    "labels": labels,
    "orders as JSON": orders,
    "text to SQL": sql,
    "a tone": tone,
}


def rows_of(kind: str, seed: int, count: int = ROWS) -> list[dict[str, str]]:
    """`count` rows of a kind, no question twice."""
    made: dict[str, str] = {}
    pairs = KINDS[kind](random.Random(f"{kind} {seed}"))
    for asked, answered in islice(pairs, 100 * count):
        if len(made) < count:
            made.setdefault(asked, answered)
    if len(made) < count:
        raise ValueError(f"{kind}: there are not {count} of them")
    return [{"instruction": asked, "output": answered} for asked, answered in made.items()]
