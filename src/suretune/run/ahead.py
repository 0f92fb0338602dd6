"""Before the large libraries are imported: does the run fit? Then fetch the base's weights."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from suretune.model.device import DTYPES, choose_device, choose_dtype, limit_memory, total_bytes
from suretune.model.keep import Keep, Policy
from suretune.model.memory import FAMILIES, GIB, TILES, fixed, needed, shape_of
from suretune.model.stream import begin
from suretune.run.check import Checked
from suretune.run.journal import Journal
from suretune.types import SetupFacts


@contextmanager
def looking_ahead(checked: Checked, journal: Journal) -> Iterator[None]:
    """Around the large imports: on CUDA, refuse what cannot fit, else start loading the base.

    Waking the GPU takes a second or two, so a thread does it while the block imports.
    """
    with ThreadPoolExecutor(1) as pool:
        found = pool.submit(_look, checked)
        with _without("sklearn"):
            yield
    if facts := found.result():
        raise journal.stop(facts)


@contextmanager
def _without(name: str) -> Iterator[None]:
    """Let a package count as not installed: transformers imports scikit-learn, which takes a
    second, for one curve that nobody here draws."""
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[name]


def _look(checked: Checked) -> SetupFacts | None:
    config = checked.resolved.config
    device = choose_device(config.model.device)
    if isinstance(device, SetupFacts) or device.type != "cuda":
        return None  # what is wrong with it, `choose_hardware` says
    dtype = choose_dtype(config.model, device)
    if isinstance(dtype, SetupFacts):
        return None
    limit_memory(config.engine, device)
    facts = _too_small(checked, DTYPES[dtype].itemsize, total_bytes(config.engine, device))
    if facts is None:
        begin(checked.base.folder, device, DTYPES[dtype])
    return facts


def _too_small(checked: Checked, bytes_each: int, room: float) -> SetupFacts | None:
    """The least that the run needs, every layer's input on the host, against what there is."""
    if checked.base.config.get("model_type") not in FAMILIES:
        return None
    shape = shape_of(checked.base.config, bytes_each)
    rows = [sample for row in checked.train for sample in row.samples]
    longest = max(rows, key=lambda row: len(row.ids))
    least = Policy((Keep.HOST,) * shape.layers, TILES[-1], 512)
    rank = checked.resolved.config.lora.lora_rank
    wanted = fixed(shape, rank) + needed(shape, least, len(longest.ids), longest.learned)
    if wanted <= room:
        return None
    found = f"{wanted / GIB:.1f} GiB needed at least, {room / GIB:.1f} GiB there"
    return SetupFacts("out-of-memory", str(longest.origin), found=found)
