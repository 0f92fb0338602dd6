"""What a planted fault is, and whether it was seen."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from chaos import nursery
from chaos.bench import Bench, Planted

LEFT_OUT = "C015"


@dataclass(frozen=True, slots=True)
class Silent:
    """A fault that leaves no error behind in most tools.

    It counts as seen if the run ends with `status`, all of `codes` are among its findings, and
    `says` stands in what it told. `strict`: it ends so with --strict; else what does nothing is left
    out or mended, and the run goes on with that noted.
    """

    id: str
    what: str
    plant: Callable[[Bench], Planted]
    codes: tuple[str, ...]
    status: int
    says: str = ""
    strict: bool = False

    @property
    def caught(self) -> str:
        """For the page."""
        recorded = "recorded" if self.status == 0 else f"exit {self.status}"
        recorded += f" with `--strict`, else {LEFT_OUT}" if self.strict else ""
        return ", ".join((*self.codes, recorded))

    def missed(self, bench: Bench) -> str:
        """Plant it and look; empty if it was seen."""
        if self.strict:
            usual = replace(self, codes=(LEFT_OUT,), status=0, strict=False)
            if missed := usual.missed(bench):
                return missed
        bench.clear(self.id)
        planted = self.plant(bench)
        words = [*planted.words, *(["--strict", "true"] if self.strict else [])]
        ended = nursery.command(words, bench.here, before=planted.before, timeout=planted.timeout)
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
