"""AdamW over the adapters."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from suretune.options import ScheduleOptions
from suretune.train.loop import LossScale

FIRST_SCALE = 2.0**15  # float16 gradients overflow at 65,504


def make_optimizer(
    parameters: Mapping[str, nn.Parameter], asked: ScheduleOptions
) -> torch.optim.AdamW:
    """Adam with decoupled decay (Loshchilov & Hutter 2019); the loop sets the rate per update."""
    return torch.optim.AdamW(
        list(parameters.values()), lr=0.0, betas=(0.9, 0.999), weight_decay=asked.weight_decay
    )


def make_scale(dtype: str) -> LossScale:
    """Only float16 needs one."""
    return LossScale(FIRST_SCALE if dtype == "float16" else 1.0)
