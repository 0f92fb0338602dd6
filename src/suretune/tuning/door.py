"""The door of this room: what a way to train says of itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tuner:
    """One value of `--train_type`.

    `packed`: how the linear layers of the base's decoder lie in memory while it is trained, proven
    and asked: by the name of a packing, or empty for the numbers of its files. `weight_bytes`: of
    one of their values, given the bytes that the run's dtype has.
    """

    name: str
    packed: str
    weight_bytes: Callable[[float], float]
