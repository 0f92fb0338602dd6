"""What came of comparing held-out rows: one by one, counted together and by kind. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from suretune.types import Text

Kind = Literal["json", "label", "sql", "short"]
KINDS: Mapping[Kind, Text] = {
    "json": Text("JSON, the same keys and what can be known", "JSON，键和可以确定的值相同"),
    "label": Text("the same label", "标签相同"),
    "sql": Text("SQL, the same rows", "SQL，查询结果相同"),
    "short": Text("the same short answer", "短回答相同"),
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """Of one answer. `equal`: all values as well, where `right` asks for less; None for SQL."""

    right: bool | None
    equal: bool | None = None


@dataclass(frozen=True, slots=True)
class JudgedRow:
    """One held-out row, before and after training; None throughout where it is unjudged. `same`:
    the answer is the base's, but for blanks around it; `own`: it is the row's."""

    kind: Kind | None
    before: bool | None = None
    after: bool | None = None
    equal_before: bool | None = None
    equal_after: bool | None = None
    same: bool = False
    own: bool = False

    @property
    def open(self) -> bool:
        """Whether nothing says that it is right now."""
        return not (self.after or self.own)


@dataclass(frozen=True, slots=True)
class Tally:
    """The judged rows of a kind. `before` and `after`: 95 % intervals of the share right; `p`: of
    the exact sign test, so many gained if nothing had got better."""

    kind: Kind | None  # None: all kinds
    judged: int
    right_before: int
    right_after: int
    equal_before: int
    equal_after: int
    gained: int
    lost: int
    before: tuple[float, float]
    after: tuple[float, float]
    p: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """All held-out rows: one a row, then counted together and by kind."""

    rows: tuple[JudgedRow, ...]
    all: Tally
    kinds: tuple[Tally, ...]

    @property
    def asked(self) -> int:
        """Held-out rows that were asked."""
        return len(self.rows)

    @property
    def judged(self) -> int:
        """Rows whose answers can be compared with the reference."""
        return self.all.judged

    @property
    def unjudged(self) -> int:
        """Rows whose answers are shown and not judged."""
        return self.asked - self.judged

    @property
    def right_before(self) -> int:
        """Rows that the base has right."""
        return self.all.right_before

    @property
    def right_after(self) -> int:
        """Rows that the tuned model has right."""
        return self.all.right_after

    @property
    def gained(self) -> int:
        """Rows that only the tuned model has right."""
        return self.all.gained

    @property
    def lost(self) -> int:
        """Rows that only the base has right."""
        return self.all.lost

    @property
    def own(self) -> int:
        """Rows that the tuned model answers as the row itself does, to the letter."""
        return sum(row.own for row in self.rows)

    @property
    def open(self) -> int:
        """Rows of which nothing says that they are right now."""
        return sum(row.open for row in self.rows)

    @property
    def same(self) -> int:
        """Of these, those that the tuned model answers as the base does, to the letter."""
        return sum(row.open and row.same for row in self.rows)

    @property
    def said(self) -> Text:
        """In one sentence, or two."""
        n, then, now, rest = self.judged, self.right_before, self.right_after, self.unjudged
        left = Text("", "")
        if rest:
            left = Text(
                f" The other {rest} cannot be compared and are unjudged.",
                f"其余 {rest} 条无法比对，未作判断。",
            )
        if not n:
            return Text(
                f"None of {self.asked} held-out rows can be compared; all are unjudged.",
                f"{self.asked} 条留出数据都无法比对，均未作判断。",
            )
        low, high = (f"{100 * bound:.0f}" for bound in self.all.after)
        kinds = [(KINDS[t.kind], t.judged) for t in self.kinds if t.kind]
        en = ", ".join(f"{count} by {text.en}" for text, count in kinds)
        zh = "、".join(f"{text.zh} {count} 条" for text, count in kinds)
        return Text(
            f"Of {self.asked} held-out rows {n} can be compared ({en}): {then} right before"
            f" training, {now} after it (95 % interval {low}–{high} %).{left.en}",
            f"{self.asked} 条留出数据中，{n} 条可以比对（{zh}）：训练前对 {then} 条，"
            f"训练后对 {now} 条（95% 置信区间 {low}–{high}%）。{left.zh}",
        )

    def line(self) -> dict[str, Any]:
        """As a report has it."""
        return {
            "asked": self.asked,
            "judged": self.judged,
            "unjudged": self.unjudged,
            "own": self.own,
            "open": self.open,
            "same": self.same,
            **asdict(self),
        }
