"""Before the large libraries are imported: does the run fit? Then fetch the base's weights."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from suretune.facts import SetupFacts
from suretune.model.device import DTYPES, choose_device, choose_dtype, limit_memory, total_bytes
from suretune.model.memory import GIB
from suretune.model.weight_stream import begin, drop
from suretune.preflight.check import Checked
from suretune.preflight.forecast import least_bytes, would_fit_packed
from suretune.record.journal import Journal
from suretune.refusal import Refusal
from suretune.types import Text


@contextmanager
def looking_ahead(checked: Checked, journal: Journal) -> Iterator[Callable[[], None]]:
    """Around a whole run: on CUDA, find out whether it fits, and start loading the base.

    Waking the GPU takes a second or two, so a thread does it while the large libraries are
    imported. Call what is yielded after that: it stops a run that cannot fit.
    """
    pool = ThreadPoolExecutor(1)
    found = pool.submit(_look, checked)
    pool.shutdown(wait=False)

    def settle() -> None:
        if facts := found.result():
            raise journal.stop(facts)

    try:
        with _without("sklearn"):
            import suretune.run.compose  # noqa: F401
        yield settle
    finally:
        drop(checked.base.folder)


@contextmanager
def _without(name: str) -> Iterator[None]:
    """Let a package count as not installed: transformers imports scikit-learn, which takes a
    second, for one curve that nobody here draws."""
    if name in sys.modules or "transformers" in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        sys.modules.pop(name, None)


def _look(checked: Checked) -> SetupFacts | None:
    config = checked.resolved.config
    try:
        device = choose_device(config.model.device)
        dtype = choose_dtype(config.model, device) if device.type == "cuda" else ""
    except Refusal:
        return None  # what is wrong with it, `choose_hardware` says
    if not dtype:
        return None
    limit_memory(config.engine, device)
    facts = _too_small(checked, DTYPES[dtype].itemsize, total_bytes(config.engine, device))
    if facts is None:
        begin(checked.base, device, DTYPES[dtype])
    return facts


def _too_small(checked: Checked, bytes_each: int, room: float) -> SetupFacts | None:
    """The least that the run needs against what there is."""
    least = least_bytes(checked, bytes_each)
    if least is None or least[0] <= room:
        return None
    found = Text(
        f"{least[0] / GIB:.1f} GiB needed at least, {room / GIB:.1f} GiB there",
        f"至少需要 {least[0] / GIB:.1f} GiB，共有 {room / GIB:.1f} GiB",
    )
    offer = would_fit_packed(checked, bytes_each, room)
    return SetupFacts("out-of-memory", least[1], found=found, nearest=offer)
