"""A base whose own weights learn, of random numbers in place of files: for `engine.py` and
`scaling_full.py`. What it takes is chosen as `run/fit.py` and `run/moments.py` choose it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from suretune.model.device import free_memory, total_bytes
from suretune.model.full import Whole
from suretune.model.memory import GIB, Shape, host_needed, least_needed, shape_of
from suretune.options import EngineOptions
from suretune.train.adamw_8bit import WholeAdamW8
from suretune.train.engine_plan import largest_pass, make_engine
from suretune.train.loop import Learner, make_scale
from suretune.train.whole_adamw import WholeAdamW
from suretune.tuning.full import ADAMW, ADAMW_8BIT, moments_bytes
from suretune.types import Plan, Sample


def begin(model: Any, learned: frozenset[str], base: Any, *, keep: bool = True) -> Whole:
    """In the place of `begin_whole`: there are no files."""
    kept = {}
    for name, parameter in model.named_parameters():
        if name in learned:
            parameter.requires_grad_(True)
            kept[name] = parameter.detach().to("cpu", copy=True) if keep else torch.empty(0)
    return Whole(model, kept, Path())


def alone(
    whole: Whole,
    options: EngineOptions,
    work: tuple[list[Sample], Plan],
    optim: str = ADAMW,
) -> tuple[Learner, dict[str, Any]]:
    """What learns, by one process, and what its engine says of itself."""
    device = next(whole.model.parameters()).device
    own = (WholeAdamW8 if optim == ADAMW_8BIT else WholeAdamW)(whole, 0.0)
    started = make_engine(whole, own, options, device, *work)
    scale = make_scale(str(whole.model.dtype).removeprefix("torch."))
    return Learner(whole, own, started.engine, scale, device, 1.0), started.about


def shape_of_whole(
    config: Mapping[str, Any],
    bytes_each: int,
    processes: int = 1,
) -> Shape:
    """Of a base all of whose weights learn, moments in float32."""
    return replace(shape_of(config, bytes_each), learned=1.0, processes=processes)


def start_full(
    model: Any,
    options: EngineOptions,
    work: tuple[list[Sample], Plan],
    optim: str | None = None,
) -> tuple[Learner, dict[str, Any]]:
    """All weights of the model learn; `optim` None: the moments that a run would choose here."""
    device = next(model.parameters()).device
    sizes = {name: parameter.numel() for name, parameter in model.named_parameters()}
    rows = largest_pass(*work, options.tokens_per_pass or 1)
    tokens, learned = sum(len(row.ids) for row in rows), sum(row.learned for row in rows)
    base = shape_of_whole(model.config.to_dict(), model.dtype.itemsize)
    shapes = {one: replace(base, moments=moments_bytes(one, sizes)) for one in (ADAMW, ADAMW_8BIT)}
    needed = {one: least_needed(shape, 0, tokens, learned) for one, shape in shapes.items()}
    usual = ADAMW if _fits(shapes[ADAMW], needed[ADAMW], options, device) else ADAMW_8BIT
    whole = begin(model, frozenset(sizes), None)
    learner, about = alone(whole, options, work, optim or usual)
    again = any(getattr(module, "gradient_checkpointing", False) for module in model.modules())
    return learner, {
        **about,
        "train_type": "full",
        "weights": sum(sizes.values()),
        "optim": optim or usual,
        "optim_by_default": usual,
        "recompute": "layer" if again else "none",
        "forecast_gib": round(needed[optim or usual] / GIB, 2),
    }


def moved(learner: Learner) -> dict[str, float]:
    """Share of the numbers that an update changed, of the first and of the last tensor among those
    that lie flat: one that counts in 32 bits would leave the last of 3 billion alone."""
    own = learner.adapters
    assert isinstance(own, WholeAdamW)
    names = list(own.parameters)
    found = {}
    for place, name in (("first", names[0]), ("last", names[-1])):
        now = own.parameters[name].detach().cpu()
        found[place] = float((now != own.base[name].to(now.dtype)).double().mean())
    return found


def _fits(shape: Shape, needed: float, options: EngineOptions, device: torch.device) -> bool:
    """Whether card and host have room; the model lies on the card already."""
    card = device.type == "cuda"
    if card and needed > total_bytes(options, device) + torch.cuda.memory_reserved(device):
        return False
    every = shape.values
    host = host_needed(every, every, shape.bytes, shape.moments, on_card=card)
    return host <= free_memory(torch.device("cpu"))
