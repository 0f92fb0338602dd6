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
    learned_bytes: Callable[[float], float] | None = None

    @property
    def whole(self) -> bool:
        """Whether the base's own weights learn, and what comes of it is a model, no adapter."""
        return self.learned_bytes is not None
