"""Which of several processes this one is, as torchrun or `--num_gpus` says it; no torch.

torchrun tells it by environment variables. They are taken out of the environment here: what this
process starts (the fresh process of the proof, trackers) is none of the crew, and libraries that
read them would behave as if it was.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from functools import cache
from threading import Event

VISIBLE = "CUDA_VISIBLE_DEVICES"
KEY = "SURETUNE_CREW_KEY"  # a secret of the crew: who does not know it is not listened to
TOLD = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT", KEY)
MORE = ("LOCAL_WORLD_SIZE", "GROUP_RANK", "GROUP_WORLD_SIZE", "ROLE_RANK", "ROLE_WORLD_SIZE")

CALLED = Event()  # once this process has said where the others shall come


@dataclass(frozen=True, slots=True)
class Place:
    """Process `rank` of `size`, the `local`th on its machine; where the first is met."""

    rank: int = 0
    size: int = 1
    local: int = 0
    beside: int = 1  # processes on this machine
    environment: Mapping[str, str] | None = None  # torchrun's words; None: nobody has started us

    @property
    def leads(self) -> bool:
        """Whether this process decides, asks and writes."""
        return self.rank == 0


def place_of(environment: Mapping[str, str]) -> Place:
    """Where these variables put a process; alone where they say nothing, or no numbers."""
    try:
        rank, size = int(environment["RANK"]), int(environment["WORLD_SIZE"])
        local = int(environment.get("LOCAL_RANK", "0"))
        beside = int(environment.get("LOCAL_WORLD_SIZE", str(size)))
    except (KeyError, ValueError):
        return Place()
    if not 0 <= rank < size or "MASTER_ADDR" not in environment:
        return Place()
    told = {name: environment[name] for name in environment if _is_told(name)}
    return Place(rank, size, local, beside, told)


def take_place(environment: MutableMapping[str, str]) -> Place:
    """The same of this process, once: afterwards it is in no environment.

    Of the GPUs that it may see it keeps its own: what it computes on is then the first, as alone.
    """
    place = place_of(environment)
    if place.environment is None:
        return place
    for name in place.environment:
        del environment[name]
    environment[VISIBLE] = visible(environment, place.local)
    return place


def visible(environment: Mapping[str, str], local: int) -> str:
    """The `local`th of the GPUs that may be seen, as CUDA_VISIBLE_DEVICES names it; "" where there
    are fewer."""
    listed = environment.get(VISIBLE)
    if listed is None:
        return str(local)
    names = [name.strip() for name in listed.split(",") if name.strip()]
    return names[local] if local < len(names) else ""


@cache
def here() -> Place:
    """The place of this process, taken out of its environment when it is first asked for."""
    return take_place(os.environ)


def _is_told(name: str) -> bool:
    return name in TOLD or name in MORE or name.startswith("TORCHELASTIC_")
