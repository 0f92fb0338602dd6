"""A pasted command in suretune's terms: a line for each flag, and the working form."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from suretune.config import Resolved
from suretune.facts import Finding
from suretune.importing.arithmetic import Sums
from suretune.importing.named import Named
from suretune.importing.pasted import Pasted
from suretune.types import Text

KEPT, RENAMED, CHANGED, DEFAULT, NO_EFFECT = "kept", "renamed", "changed", "default", "no-effect"
NEVER, HARMFUL, UNKNOWN, UNAVAILABLE = "never-existed", "harmful", "unknown", "unavailable"
AGAIN = Text("It is given again further on; the last one counts.", "后面又写了一次，以最后的为准。")


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the table: what one flag is worth."""

    flag: str
    value: str
    verdict: str
    why: Text
    becomes: str = ""  # its words in the working form
    serious: bool = False  # the working form does not do the same job


@dataclass(slots=True)
class Translation:
    """A pasted command in suretune's terms."""

    pasted: Pasted
    allowed: Collection[str]  # options of the verb
    data: Named
    lines: list[Line] = field(default_factory=list)
    given: dict[str, tuple[str, ...]] = field(default_factory=dict)
    parsed: dict[str, Any] = field(default_factory=dict)
    at: dict[str, int] = field(default_factory=dict)  # option -> its line
    runs: list[str] = field(default_factory=list)  # of a command that serves, in their order
    notes: list[Text] = field(default_factory=list)
    serious: list[Text] = field(default_factory=list)
    first: list[str] = field(default_factory=list)  # commands that fetch what is on a hub
    sums: Sums | None = None  # as pasted
    here: Sums | None = None  # of the working form
    told: list[Finding] = field(default_factory=list)  # of the guards that judge schedules

    def resolved(self) -> Resolved:
        """The config that the working form stands for."""
        return Resolved.default().with_values("flag", **self.parsed)

    def put(
        self,
        option: str,
        words: Sequence[str],
        value: Any,
        line: Line,
    ) -> None:
        """A flag that becomes an option; one given before it gives way."""
        if option in self.at:
            index = self.at[option]
            before = self.lines[index]
            self.lines[index] = replace(
                before,
                verdict=NO_EFFECT,
                why=AGAIN,
                becomes="",
            )
        self.given[option], self.parsed[option] = tuple(words), value
        self.at[option] = len(self.lines)
        self.lines.append(replace(line, becomes=" ".join((f"--{option}", *words))))

    def drop(
        self,
        option: str,
        verdict: str,
        why: Text,
        *,
        serious: bool,
    ) -> None:
        """Take an option out again; its line says why."""
        self.given.pop(option, None)
        self.parsed.pop(option, None)
        index = self.at.pop(option, None)
        if index is not None:
            line = self.lines[index]
            verdict = NEVER if line.verdict == NEVER else verdict
            self.lines[index] = Line(
                line.flag,
                line.value,
                verdict,
                why,
                serious=serious,
            )
