"""What the process that leads tells those that follow, and what they answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from suretune.data.base import Base
from suretune.facts import SetupFacts
from suretune.options import EngineOptions
from suretune.options_lora import LoraOptions
from suretune.train.engine_plan import PassPlan
from suretune.types import Plan, Sample


@dataclass(frozen=True, slots=True)
class Hold:
    """Load this base, with adapters by these options, and plan for the largest pass of the plan.

    `commit`, `seed`: of the adapters; `fingerprint`: of the base, which has to lie there the same.
    `learned`: names of the base's own weights that learn, in shards, with so much
    `weight_decay`; None: adapters do.
    """

    base: Base
    fingerprint: str
    device: str
    dtype: str
    lora: LoraOptions
    seed: int
    commit: str | None
    engine: EngineOptions
    samples: Sequence[Sample]
    plan: Plan
    before: PassPlan | None
    learned: frozenset[str] | None = None
    weight_decay: float = 0.0


@dataclass(frozen=True, slots=True)
class Prepare:
    """See `Engine.prepare`; without samples and plan: the same as before."""

    samples: Sequence[Sample] | None
    plan: Plan | None
    done: int


@dataclass(frozen=True, slots=True)
class Backward:
    """See `Engine.backward`: rows by their places among the samples, or themselves.

    `fresh`: the adapters' values are shared first. `seed`: of the generators that dropout draws
    from.
    """

    rows: Sequence[int | Sample]
    loss_weight: float
    scale: float
    fresh: bool
    seed: int


@dataclass(frozen=True, slots=True)
class Together:
    """`Backward`, where all processes compute each pass together.

    `least`: passes of rows, and of rows held to the base, that all have; `filler`: what an empty
    one is made of. `stays`: whether weights that were gathered stay for the next pass.
    """

    rows: Sequence[int | Sample]
    loss_weight: float
    scale: float
    seed: int
    least: tuple[int, int]
    filler: int | Sample
    stays: bool


@dataclass(frozen=True, slots=True)
class Ask:
    """Answer these prompts, see `generate.spoken`; as the `base`, or as what was learned so far.

    `fresh`: as of `Backward`.
    """

    prompts: Sequence[Sequence[int]]
    stop_ids: frozenset[int]
    most: int
    base: bool
    fresh: bool


@dataclass(frozen=True, slots=True)
class Measure:
    """`Engine.mean_loss` of these rows, or `Engine.drift`; the rest as of `Ask`."""

    rows: Sequence[int | Sample]
    drift: bool
    base: bool
    fresh: bool


@dataclass(frozen=True, slots=True)
class Same:
    """Do to the shards what the process that leads does; no answer."""

    what: str
    given: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Shrink:
    """See `Engine.shrink`."""

    rows: Sequence[int | Sample]


@dataclass(frozen=True, slots=True)
class Adopt:
    """Compute by this plan from now on."""

    plan: PassPlan


# --- answers --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ready:
    """The base is loaded; where an engine was made, how it computes. `device`: for the record."""

    device: str
    plan: PassPlan | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """`loss`: of the rows that were dealt, as a share of the update's; or what was measured.
    `untaken`: bytes of the card that no pass has needed so far, where shards are computed with."""

    loss: float = 0.0
    untaken: float = 0.0


@dataclass(frozen=True, slots=True)
class Spoken:
    """One answer a prompt, in their order."""

    ids: Sequence[Sequence[int]]


@dataclass(frozen=True, slots=True)
class RanOut:
    """Memory did not do. `said`: in whose words."""

    said: str


@dataclass(frozen=True, slots=True)
class Prepared:
    """`lacking`: see `Engine.prepare`."""

    lacking: str


@dataclass(frozen=True, slots=True)
class Shrunk:
    """How, see `Engine.shrink`, and to what."""

    how: str
    plan: PassPlan


@dataclass(frozen=True, slots=True)
class Failed:
    """It cannot go on. `facts`: what it refuses, or what it was not made for."""

    facts: SetupFacts
