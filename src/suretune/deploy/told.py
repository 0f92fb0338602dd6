"""What goes between a server and its engines' processes, beside plain numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from suretune.facts import Facts


@dataclass(frozen=True, slots=True)
class Call:
    """Of a method of the table."""

    name: str
    about: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """What it gave, and how many slots are free now."""

    made: Any
    free: int


@dataclass(frozen=True, slots=True)
class Raised:
    """What it raised instead, and whence."""

    error: Exception
    whence: str
    free: int


@dataclass(frozen=True, slots=True)
class Refused:
    """There will be no table, for these facts."""

    facts: Facts
