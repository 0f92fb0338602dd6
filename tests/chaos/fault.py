"""What a planted fault is, and whether it was seen."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from chaos import nursery
from chaos.bench import Bench, Planted


@dataclass(frozen=True, slots=True)
class Silent:
    """A fault that leaves no error behind in most tools.

    It counts as seen if the run ends with `status`, all of `codes` are among its findings, and
    `says` stands in what it told.
    """

    id: str
    what: str
    plant: Callable[[Bench], Planted]
    codes: tuple[str, ...]
    status: int
    says: str = ""

    @property
    def caught(self) -> str:
        """For the page."""
        recorded = "recorded" if self.status == 0 else f"exit {self.status}"
        return ", ".join((*self.codes, recorded))

    def missed(self, bench: Bench) -> str:
        """Plant it and look; empty if it was seen."""
        bench.clear(self.id)
        planted = self.plant(bench)
        ended = nursery.command(
            planted.words, bench.here, before=planted.before, timeout=planted.timeout
        )
        if ended.traceback:
            return f"traceback: {ended.last_words}"
        if ended.status != self.status:
            codes = " ".join(sorted(ended.codes))
            return f"status {ended.status} ({codes}), not {self.status}: {ended.last_words[-200:]}"
        if lacking := set(self.codes) - ended.codes:
            found = " ".join(sorted(ended.codes)) or "nothing"
            return f"{found} was found, not {' '.join(sorted(lacking))}"
        said = re.search(re.escape(self.says) + r"(?!\d)", ended.out)  # row 14 is not row 140
        return "" if said else f"it does not say {self.says!r}"
