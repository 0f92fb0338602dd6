"""What a sweep searches: one dimension an option, and what a trial makes of it as flags."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Protocol

from suretune.config import Resolved, options
from suretune.preflight.again import flag, flags_of

JOINT = "+"  # between the words of one choice of a list: q_proj+v_proj
DIGITS = 3  # of a number that was drawn: the flag that is shown is the flag that ran
Params = Mapping[str, str | int | float]


class Suggests(Protocol):
    """The part of an Optuna trial that a dimension needs."""

    def suggest_float(
        self,
        name: str,
        low: float,
        high: float,
        *,
        log: bool = ...,
    ) -> float:
        """A number from `low` to `high`, both included; `log`: even in its logarithm."""
        ...

    def suggest_int(
        self,
        name: str,
        low: int,
        high: int,
        *,
        log: bool = ...,
    ) -> int:
        """A whole number from `low` to `high`, both included."""
        ...

    def suggest_categorical(
        self,
        name: str,
        choices: Sequence[str],
    ) -> str:
        """One of the choices."""
        ...


@dataclass(frozen=True, slots=True)
class Dimension:
    """An option with the words it may be, or the range that it is drawn from."""

    name: str
    choices: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    whole: bool = False  # an int

    @property
    def values(self) -> Sequence[str | int]:
        """All it can be; nothing where that has no end."""
        return range(int(self.low), int(self.high) + 1) if self.whole else self.choices

    def draw(self, trial: Suggests) -> None:
        """Let the study choose a value."""
        if self.choices:
            trial.suggest_categorical(self.name, self.choices)
        elif self.whole:
            trial.suggest_int(
                self.name,
                int(self.low),
                int(self.high),
                log=self.log,
            )
        else:
            trial.suggest_float(
                self.name,
                self.low,
                self.high,
                log=self.log,
            )

    def word(self, value: str | int | float) -> str:
        """The value as it is typed; within the range after rounding, too."""
        if not isinstance(value, float):
            return str(value)
        return f"{min(self.high, max(self.low, float(f'{value:.{DIGITS}g}'))):g}"


def grid(dimensions: Sequence[Dimension]) -> Iterator[dict[str, str | int]]:
    """Every setting, where each dimension has finitely many values."""
    for values in product(*(d.values for d in dimensions)):
        yield {d.name: value for d, value in zip(dimensions, values, strict=True)}


def grid_size(dimensions: Sequence[Dimension]) -> float:
    """How many settings there are; infinite with a range of numbers that are not whole."""
    return math.prod(len(d.values) or math.inf for d in dimensions)


def setting(dimensions: Sequence[Dimension], params: Params) -> dict[str, str]:
    """A trial's values as they are typed."""
    return {d.name: d.word(params[d.name]) for d in dimensions if d.name in params}


def flags(
    resolved: Resolved,
    chosen: Mapping[str, str],
    without: Iterable[str] = (),
) -> list[str]:
    """Words for `suretune sft`: what the user asked for, then what the trial chose."""
    made = flags_of(
        resolved,
        without={*without, *chosen},
        idle=True,
        stuck=True,
    )
    for name, word in chosen.items():
        made += flag(name, tuple(word.split(JOINT)) if options()[name].many else word, stuck=True)
    return made
