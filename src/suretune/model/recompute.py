"""What a layer keeps between its forward and its backward pass: names and a policy, no torch."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

HEAD_ROWS = 1024  # learned tokens whose logits exist at once: 0.3 GB for 152 k words in bfloat16


def soft_rows(head_rows: int) -> int:
    """The same of tokens that are held to the base: two tables of logits exist at once."""
    return max(1, head_rows // 2)


class Keep(Enum):
    """From most memory to least."""

    ALL = "all"
    MLP_AGAIN = "mlp-again"  # gate and up are computed again
    INPUT = "input"  # the whole layer is computed again
    HOST = "host"  # the same, and its input waits in the host's memory


@dataclass(frozen=True, slots=True)
class Policy:
    """What each layer keeps, and how many tokens an MLP that keeps nothing takes at once."""

    keep: tuple[Keep, ...]
    tile: int = 1024
    head_rows: int = HEAD_ROWS

    def __str__(self) -> str:
        counts = {keep.value: self.keep.count(keep) for keep in Keep if keep in self.keep}
        return ", ".join(f"{count} layers keep {name}" for name, count in counts.items())
