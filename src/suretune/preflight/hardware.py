"""Where a model computes and in what precision, as asked for or as the machine has it."""

from __future__ import annotations

import torch

from suretune.model.device import choose_device, choose_dtype
from suretune.options_input import ModelOptions
from suretune.record.journal import Journal


def hardware(asked: ModelOptions, journal: Journal) -> tuple[torch.device, str]:
    """(device, dtype), or a stop."""
    with journal.judging():
        device = choose_device(asked.device)
        dtype = choose_dtype(asked, device)
    return device, dtype
