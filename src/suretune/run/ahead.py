"""Before the large libraries are imported: does the run fit? Then fetch the base's weights."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from suretune.facts import SetupFacts
from suretune.model.device import DTYPES, choose_device, choose_dtype, limit_memory, total_bytes
from suretune.model.weight_stream import begin, drop
from suretune.preflight.check import Checked
from suretune.preflight.forecast import too_small
from suretune.record.journal import Journal
from suretune.refusal import Refusal


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
    facts = too_small(checked, DTYPES[dtype].itemsize, total_bytes(config.engine, device))
    if facts is None:
        begin(checked.base, device, DTYPES[dtype])
    return facts
