"""Does a run fit on its GPU? Then fetch the base's weights. Needs torch, and nothing larger."""

from __future__ import annotations

from suretune.because import in_words
from suretune.facts import SetupFacts
from suretune.model.device import (
    DTYPES,
    choose_device,
    choose_dtype,
    limit_memory,
    out_of_memory,
    total_bytes,
)
from suretune.model.weight_stream import begin
from suretune.preflight.check import Checked
from suretune.preflight.forecast import too_small
from suretune.refusal import Refusal


def look(checked: Checked) -> SetupFacts | None:
    """Why it cannot fit; else, on CUDA, the base's weights are on their way when it returns."""
    config = checked.resolved.config
    try:
        device = choose_device(config.model.device)
        dtype = choose_dtype(config.model, device) if device.type == "cuda" else ""
        if not dtype:
            return None
        limit_memory(config.engine, device)
        facts = too_small(checked, DTYPES[dtype].itemsize, total_bytes(config.engine, device))
        if facts is None:
            begin(checked.base, device, DTYPES[dtype])
        return facts
    except Refusal:
        return None  # what is wrong with it, `choose_hardware` says
    except RuntimeError as error:  # others hold so much that not even the device can be woken
        if not (said := out_of_memory(error)):
            raise
        return SetupFacts("out-of-memory", "cuda", found=in_words(said))
