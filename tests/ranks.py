"""A follower for tests, in float64: `python tests/ranks.py` in place of suretune.train.follower.

`TOKENS` of its environment names a file: as long as there is a number N in it, "memory runs out"
here above N tokens a pass, or of prompts that are answered at once. `HOLD` names a folder, and has
it in the run's precision: as long as there is a file `hold`, it does not answer, and lets `asked`
be there instead; not before the file is there that is named in `hold`, if one is.
"""

from __future__ import annotations

import os
import sys
import time
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


def short_of_answers(real: Any) -> Any:
    def run(model: Any, prompts: Any, *rest: Any) -> Any:
        most = Path(os.environ["TOKENS"])
        if most.is_file() and sum(map(len, prompts)) > int(most.read_text()):
            raise torch.OutOfMemoryError("out of memory")
        return real(model, prompts, *rest)

    return run


def held(real: Any) -> Any:
    def run(*given: Any) -> Any:
        folder = Path(os.environ["HOLD"])
        hold = folder / "hold"
        while hold.exists() and Path(hold.read_text() or folder).exists():
            (folder / "asked").touch()
            time.sleep(0.05)
        return real(*given)

    return run


ATTACH = follower.attach

if __name__ == "__main__":
    if "HOLD" in os.environ:
        follower.spoken = held(follower.spoken)
    else:
        follower.attach = doubled
    if "TOKENS" in os.environ:
        follower.spoken = short_of_answers(follower.spoken)
        fused.gradient = short_of_memory(fused.gradient)
        plain_engine.token_losses = short_of_memory(plain_engine.token_losses)
    torch.set_num_threads(1)
    sys.exit(follower.begin(place_of(os.environ)))
