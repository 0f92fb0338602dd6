"""Shards of a base whose own weights learn: one process by itself, in the only one.

A file of its own: torch has one default group a process, and worlds of other tests hold it.
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist

from suretune.guards import judge
from suretune.model.attention import PACKED
from suretune.model.full import begin_whole
from suretune.model.load import load_base
from suretune.model.tensor_file import Coming
from suretune.options_full import FullOptions
from suretune.refusal import Refusal
from suretune.train.flat_adamw import MOMENTS
from suretune.train.sharded import Led
from suretune.train.shards import ShardAdamW, ShardedWhole
from suretune.train.world import Alone
from test_full import TOP
from test_laws import CPU, checked_run
from test_ranks_full import names


@pytest.fixture(scope="module")
def checked(identity_file: Path) -> Any:
    return checked_run(identity_file, max_steps=2, learning_rate=1e-4)


@pytest.fixture
def group() -> Iterator[Alone]:
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    yield Alone()
    dist.destroy_process_group()


def test_what_is_sharded_is_freed_and_frozen_weights_of_another_type_stay(
    checked: Any, group: Alone
) -> None:
    """A router in float32 beside bfloat16: gathered in bfloat16 it would choose others."""
    learned = names(checked, TOP)
    whole = begin_whole(load_base(checked.base, CPU, "bfloat16", PACKED), learned, checked.base)
    every = dict(whole.model.named_parameters())
    frozen = next(name for name in every if name not in learned)
    router = every[frozen].data.float() + 1e-5
    every[frozen].data = router
    old = [weakref.ref(every[name]) for name in learned]
    del every
    shards = ShardedWhole(whole, group)
    gc.collect()
    assert not [ref for ref in old if ref() is not None]
    shards.gather_all()
    now = dict(shards.model.named_parameters())
    assert now[frozen].dtype == torch.float32 and torch.equal(now[frozen], router)
    assert {now[name].dtype for name in learned} == {torch.bfloat16}
    shards.part_all()


def test_weights_that_learn_in_two_types_are_refused(checked: Any, group: Alone) -> None:
    learned = names(checked, FullOptions())
    whole = begin_whole(load_base(checked.base, CPU, "float16", PACKED), learned, checked.base)
    norm = next(p for name, p in whole.model.named_parameters() if "norm" in name)
    norm.data = norm.data.float()
    with pytest.raises(Refusal) as refused:
        ShardedWhole(whole, group)
    [found] = judge(refused.value.facts)
    assert "several GPUs" in found.what.en and "bfloat16" in found.fix.en and found.stops


def test_what_would_be_seen_by_nobody_or_read_wrongly_is_an_error(
    checked: Any, group: Alone
) -> None:
    learned = names(checked, TOP)
    whole = begin_whole(load_base(checked.base, CPU, "bfloat16", PACKED), learned, checked.base)
    shards = ShardedWhole(whole, group)
    led = Led(ShardAdamW(shards, 0.0, group), group)
    shards.gather_all()
    with pytest.raises(ValueError, match="gathered"):
        led.wear(led.silent())
    shards.part_all()
    led.wear(led.silent())
    state = {name: t.read() if isinstance(t, Coming) else t for name, t in led.state().items()}
    codes = {n: torch.zeros(s, dtype=torch.uint8) for n, s in shards.shapes.items()}
    narrow = {f"{name}/{moment}": code for name, code in codes.items() for moment in MOMENTS}
    with pytest.raises(KeyError, match="uint8"):
        led.load_state({**state, **narrow, "step": torch.tensor(1.0)})
