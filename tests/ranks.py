"""A follower for tests, in float64: `python tests/ranks.py` in place of suretune.train.follower.

`TOKENS` of its environment names a file: as long as there is a number N in it, "memory runs out"
here above N tokens a pass.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import torch

from suretune.model import fused
from suretune.model.device import DTYPES
from suretune.train import follower, plain_engine
from suretune.train.place import place_of

CREW = Path(__file__)  # importing it here makes float64 a precision there is
DTYPES["float64"] = torch.float64


def doubled(*given: Any) -> Any:
    """Adapters as they are attached, their masters in float64 as well."""
    return ATTACH(*given).double()


def short_of_memory(real: Any) -> Any:
    def run(model: Any, batch: Any, *rest: Any) -> Any:
        most = Path(os.environ["TOKENS"])
        if most.is_file() and batch.ids.shape[1] > int(most.read_text()):
            raise torch.OutOfMemoryError("out of memory")
        return real(model, batch, *rest)

    return run


ATTACH = follower.attach

if __name__ == "__main__":
    follower.attach = doubled
    if "TOKENS" in os.environ:
        fused.gradient = short_of_memory(fused.gradient)
        plain_engine.token_losses = short_of_memory(plain_engine.token_losses)
    torch.set_num_threads(1)
    sys.exit(follower.begin(place_of(os.environ)))
