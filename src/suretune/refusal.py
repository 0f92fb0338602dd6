"""Floor 1: one way to say no.

Whoever finds what ends the job raises `Refusal` with the facts; a journal judges them, once, with
`journal.judging()`. A row that cannot be used is no refusal: it is data, a `Fault` of its own.
"""

from __future__ import annotations

from suretune.facts import Facts


class Refusal(Exception):
    """It cannot go on, for these facts; the guard that they name has the words for it."""

    def __init__(self, facts: Facts) -> None:
        super().__init__(str(facts))
        self.facts = facts
