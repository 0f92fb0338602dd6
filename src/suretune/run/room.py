"""Does a run fit on its GPU? Then fetch the base's weights. Needs torch, and nothing larger."""

from __future__ import annotations

from dataclasses import replace

import torch

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
from suretune.model.memory import CONTEXT, GIB, parse_bytes
from suretune.model.weight_stream import begin
from suretune.preflight.check import Checked
from suretune.preflight.forecast import too_small
from suretune.refusal import Refusal
from suretune.types import Text

ALL = Text(
    "Other processes hold nearly all of this card.",
    "这张卡几乎都被其他进程占着。",
)


def look(checked: Checked) -> SetupFacts | None:
    """Why it cannot fit; else, on CUDA, the base's weights are on their way when it returns."""
    config = checked.resolved.config
    try:
        device = choose_device(config.model.device)
        dtype = choose_dtype(config.model, device) if device.type == "cuda" else ""
        if not dtype:
            return None
        limit_memory(config.engine, device)
        facts = no_room_on(device, checked, DTYPES[dtype].itemsize)
        if facts is None:
            begin(checked.base, device, DTYPES[dtype])
        return facts
    except Refusal:
        return None  # what is wrong with it, `choose_hardware` says
    except RuntimeError as error:  # others hold so much that not even the device can be woken
        if not (said := out_of_memory(error)):
            raise
        return replace(SetupFacts("out-of-memory", "cuda", found=in_words(said)), hint=ALL)


def no_room_on(
    device: torch.device,
    checked: Checked,
    bytes_each: int,
    optim: str = "",
) -> SetupFacts | None:
    """Why the least that the run needs does not fit on a card: for itself, or beside others."""
    asked = checked.resolved.config.engine
    room = total_bytes(asked, device) + torch.cuda.memory_reserved(device)
    facts = too_small(checked, bytes_each, room, optim)
    if facts is None:
        return None
    others, total = held_by_others(device)
    limit = asked.memory_limit and parse_bytes(asked.memory_limit)
    alone = min(room + others, limit or total)
    if too_small(checked, bytes_each, alone, optim):
        return facts
    return beside(facts, others, total)


def held_by_others(device: torch.device) -> tuple[float, float]:
    """(bytes of the card that other processes hold, all that it has)."""
    free, total = torch.cuda.mem_get_info(device)
    mine = torch.cuda.memory_reserved(device) + CONTEXT
    return max(0.0, total - free - mine), float(total)


def beside(facts: SetupFacts, others: float, total: float) -> SetupFacts:
    """What does not fit, where it would if nobody else were on the card: with what they hold."""
    figures = f"{others / GIB:.1f}", f"{total / GIB:.1f}"
    hint = Text(
        "Other processes hold {} of the {} GiB of this card.".format(*figures),
        "这张卡共 {1} GiB，其他进程占用了 {0} GiB。".format(*figures),
    )
    return replace(facts, hint=hint)
