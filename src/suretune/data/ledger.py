"""The ledger: a line for every row that was read, saying what became of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from suretune.types import Origin

# What becomes of a row. Of one that is read for several flags the first of these is told.
STATES = (
    "train",
    "paraphrase",
    "held-out",
    "general",
    "also-learned",
    "quarantined",
    "too-long",
    "rejected",
    "not-sampled",
    "set-aside",
)


@dataclass(frozen=True, slots=True)
class Entry:
    """What became of one row: a state of `STATES`."""

    origin: Origin
    dataset: str
    state: str
    reason: str = ""
    samples: int = 0
    tokens: int = 0
    learned: int = 0
    cut: int = 0
    repeat: int = 0

    def line(self) -> Mapping[str, Any]:
        """As `ledger.jsonl` has it."""
        return {
            "row": str(self.origin),
            "dataset": self.dataset,
            "state": self.state,
            **{
                k: v
                for k in ("reason", "samples", "tokens", "learned", "cut", "repeat")
                if (v := getattr(self, k))
            },
        }


def one_a_row(entries: Sequence[Entry]) -> list[Entry]:
    """The ledger without what is said twice of a row of a data set that several flags name: its
    copies and its wordings stay, with whatever is first in `STATES`."""
    place = {state: number for number, state in enumerate(STATES)}
    least: dict[tuple[str, Origin], int] = {}
    for entry in entries:
        row = entry.dataset, entry.origin
        least[row] = min(least.get(row, len(STATES)), place[entry.state])
    made, seen = [], set[tuple[str, Origin, int, str]]()
    for entry in entries:
        learned = entry.state in ("train", "paraphrase")
        first = place[entry.state] == least[entry.dataset, entry.origin]
        key = (
            entry.dataset,
            entry.origin,
            entry.repeat,
            entry.state,
        )
        if learned or (first and key not in seen):
            made.append(entry)
        seen.add(key)
    return made
