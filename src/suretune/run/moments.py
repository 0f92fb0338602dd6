"""Where the moments of a base that learns itself shall lie: settled before it is loaded."""

from __future__ import annotations

from dataclasses import replace

import torch

from suretune.facts import SetupFacts
from suretune.model.device import DTYPES, free_memory
from suretune.model.memory import GIB
from suretune.preflight.check import Checked
from suretune.preflight.forecast import host_bytes
from suretune.preflight.whole import is_whole, processes_of
from suretune.record.journal import Journal
from suretune.run.room import no_room_on
from suretune.tuning.full import ADAMW, ADAMW_8BIT
from suretune.types import Text
from suretune.words import say

FIT = Text("moments in float32 fit", "float32 动量放得下")
SHORT = Text("moments in float32 do not fit, in 8 bits they do", "float32 动量放不下，8 位的放得下")


def with_moments(checked: Checked, device: torch.device, journal: Journal) -> Checked:
    """The run with `--optim` settled: as asked, else float32 where that fits, else 8 bits; a stop,
    with the number, where not even these fit. The base is not loaded yet, but for what of it is on
    its way to the card."""
    if not is_whole(checked.resolved):
        return checked
    asked = checked.resolved.config.full.optim
    wrong = _wrong(checked, asked or ADAMW, device)
    alone = processes_of(checked.resolved) == 1  # shards of moments are in float32
    if asked is None and wrong is not None and alone:
        wrong, chosen = _wrong(checked, ADAMW_8BIT, device), (ADAMW_8BIT, SHORT)
    else:
        chosen = (ADAMW, FIT)
    if wrong is not None:
        raise journal.stop(wrong)
    if asked is not None:
        return checked
    resolved = checked.resolved.with_values(f"auto: {say(chosen[1])}", optim=chosen[0])
    return replace(checked, resolved=resolved)


def _wrong(checked: Checked, optim: str, device: torch.device) -> SetupFacts | None:
    """What does not fit, the card's memory or the host's."""
    config = checked.resolved.config
    bytes_each = DTYPES[config.model.torch_dtype or "float32"].itemsize
    on_card = device.type == "cuda"
    if on_card and (found := no_room_on(device, checked, bytes_each, optim)):
        return found
    needed = host_bytes(checked, bytes_each, optim, on_card=on_card)
    there = free_memory(torch.device("cpu"))
    if needed <= there:
        return None
    figures = f"{needed / GIB:.1f}", f"{there / GIB:.1f}"
    told = Text(
        "{} GiB of this machine's own memory needed at least, {} GiB there".format(*figures),
        "至少需要 {} GiB 内存，可用 {} GiB".format(*figures),
    )
    least = host_bytes(checked, bytes_each, ADAMW_8BIT, on_card=on_card)
    other = optim != ADAMW_8BIT and processes_of(checked.resolved) == 1
    offer = f"--optim {ADAMW_8BIT}" if other and least <= there else ""
    return SetupFacts(
        "out-of-memory",
        checked.base.name,
        found=told,
        nearest=offer,
        spare="host",
    )
