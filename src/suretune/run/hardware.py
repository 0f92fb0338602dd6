"""Where a model computes and in what precision, as asked for or as the machine has it."""

from __future__ import annotations

import torch

from suretune.model.device import choose_device, choose_dtype
from suretune.options_input import ModelOptions
from suretune.run.journal import Journal
from suretune.types import SetupFacts


def hardware(asked: ModelOptions, journal: Journal) -> tuple[torch.device, str]:
    """(device, dtype), or a stop."""
    device = choose_device(asked.device)
    if isinstance(device, SetupFacts):
        raise journal.stop(device)
    dtype = choose_dtype(asked, device)
    if isinstance(dtype, SetupFacts):
        raise journal.stop(dtype)
    return device, dtype
