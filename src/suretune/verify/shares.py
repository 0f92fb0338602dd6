"""Further fresh processes of a proof, one on each further GPU: who asks deals them its prompts.

Each loads base and adapter from the run's files by itself, as the fresh process does that starts
them (`reload.py`), and ends with it. What they say goes back to it, and is judged with the rest.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import IO, Any, cast

from suretune.model.generate import Asked, Many, Prompts, Talker, spoken

SHARE = "--share"  # of reload.py: be one of these
FAILED = "failed"


class Further:
    """One of them, on the GPU that CUDA_VISIBLE_DEVICES calls `card`; it loads its libraries, and
    waits to be told a run."""

    def __init__(self, card: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "suretune.verify.reload", SHARE],
            env={**os.environ, "CUDA_VISIBLE_DEVICES": card},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # else whoever waits for the end of it waits for this one
            text=True,
        )

    def tell(self, told: object) -> None:
        """One line to it."""
        line = cast("IO[str]", self._process.stdin)
        with suppress(BrokenPipeError):  # it is gone: whoever hears it comes to know
            line.write(json.dumps(told) + "\n")
            line.flush()

    def hear(self) -> Any:
        """Its next line; RuntimeError with its last words where it has failed, or is gone."""
        said = cast("IO[str]", self._process.stdout).readline()
        if not said:
            raise RuntimeError(f"a further process of the proof ended: {self._process.wait()}")
        answer = json.loads(said)
        if isinstance(answer, dict):
            raise RuntimeError(f"in a further process of the proof: {answer[FAILED]}")
        return answer


class Shares:
    """All of them, maybe none.

    parts: in which prompts are asked, whoever answers a part. Batches are of one part, and round as
    they do: whoever asks a proof again asks in its parts, by as many processes as there are then.
    """

    def __init__(self, cards: Sequence[str] = ()) -> None:
        self.further = [Further(card) for card in cards]
        self.parts = len(self.further) + 1

    @property
    def depends(self) -> tuple[str, ...]:
        """What answers depend on beside prompts and code."""
        return (f"{self.parts} parts",) if self.parts > 1 else ()

    def open(self, run: Path, base_at: str) -> None:
        """Let them load what is proven; nobody waits for it here."""
        for one in self.further:
            one.tell([str(run), base_at])

    def beside(self, own: Talker, *, base: bool = False) -> Asked:
        """All of them and this process's `own`, as one; as the base, or as what was learned."""
        return Many(self.parts, partial(self._each, own, base)) if self.parts > 1 else own

    def _each(
        self,
        own: Talker,
        base: bool,
        parts: Sequence[Prompts],
        stop_ids: frozenset[int],
        most: int,
    ) -> list[Prompts]:
        """The last parts are the further processes', one each; this one has the others."""
        mine = len(parts) - len(self.further)
        for one, part in zip(self.further, parts[mine:], strict=True):
            one.tell([base, [list(prompt) for prompt in part], sorted(stop_ids), most])
        said = [spoken(own, part, stop_ids, most) for part in parts[:mine]]
        return [*said, *(one.hear() for one in self.further)]
