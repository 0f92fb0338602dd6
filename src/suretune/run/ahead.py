"""While the large libraries are imported: the proof's process does the same, the run is held
against the GPU, and the base's weights are fetched. Torch-free until then."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass

from suretune.model.lean import lean
from suretune.preflight.check import Checked
from suretune.record.journal import Journal
from suretune.run.prover import make_prover
from suretune.verify.fresh import Prover


@dataclass(frozen=True, slots=True)
class Ahead:
    """What was begun. `settle()`, once all is imported, stops a run that cannot fit (Stopped)."""

    prover: Prover
    settle: Callable[[], None]


@contextmanager
def looking_ahead(checked: Checked, journal: Journal) -> Iterator[Ahead]:
    """Around a whole run: its proof's process, and on CUDA whether it fits and loading the base.

    The process begins first, so that its imports, which take as long as this one's, are not waited
    for where training takes seconds. Waking the GPU takes a second or two, so a thread does it.
    """
    with closing(make_prover(checked)) as prover:
        with lean():
            from suretune.model.weight_stream import drop
            from suretune.run.room import look

        pool = ThreadPoolExecutor(1)
        found = pool.submit(look, checked)
        pool.shutdown(wait=False)

        def settle() -> None:
            if facts := found.result():
                raise journal.stop(facts)

        try:
            with lean():
                import suretune.run.compose  # noqa: F401
            yield Ahead(prover, settle)
        finally:
            drop(checked.base.folder)
