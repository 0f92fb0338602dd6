"""Further fresh processes of a proof, one on each further GPU: who asks deals them its prompts.

Each loads base and adapter from the run's files by itself, as the fresh process does that starts
them (`reload.py`), and ends with it. What they say goes back to it, and is judged with the rest. Of
one that fails, is gone or says nothing for an hour, whoever deals answers the share itself.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import IO, Any, cast

from suretune.model.generate import Asked, Many, Prompts, Talker, spoken

SHARE = "--share"  # of fresh.py: be one of these
FAILED = "failed"
PATIENCE = 3600.0  # seconds for one share, as for one piece of work of those that train


class Further:
    """One of them, on the GPU that CUDA_VISIBLE_DEVICES calls `card`; it loads its libraries, and
    waits to be told a run."""

    def __init__(self, card: str) -> None:
        self._words = tempfile.TemporaryFile()  # noqa: SIM115 - it is gone with this object
        self._process = subprocess.Popen(
            [sys.executable, "-m", "suretune.verify.fresh", SHARE],
            env={**os.environ, "CUDA_VISIBLE_DEVICES": card},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._words,  # not this process's: who waits for its end would wait for this one
            text=True,
        )
        self._lines: SimpleQueue[str] = SimpleQueue()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        for line in cast("IO[str]", self._process.stdout):
            self._lines.put(line)
        self._lines.put("")

    def tell(self, told: object) -> None:
        """One line to it."""
        line = cast("IO[str]", self._process.stdin)
        with suppress(BrokenPipeError):  # it is gone: whoever hears it comes to know
            line.write(json.dumps(told) + "\n")
            line.flush()

    def hear(self) -> Any:
        """Its next line.

        Raises:
            RuntimeError: it has failed, is gone (with its last words) or says nothing; it is ended.
        """
        try:
            said = self._lines.get(timeout=PATIENCE)
        except Empty:
            self._process.kill()
            raise RuntimeError(f"it said nothing for {PATIENCE:g} s") from None
        if not said.endswith("\n"):  # also where it was killed amid a line
            raise RuntimeError(f"it ended: {self._process.wait()} {self._last_word()}".rstrip())
        try:
            answer = json.loads(said)
        except ValueError:  # a library's, before what it prints went elsewhere
            answer = {FAILED: said[:200]}
        if isinstance(answer, dict):
            self._process.kill()
            raise RuntimeError(str(answer.get(FAILED, answer)))
        return answer

    def _last_word(self) -> str:
        self._words.seek(0)
        lines = self._words.read().decode("utf-8", "replace").strip().splitlines()
        return lines[-1][:200] if lines else ""


class Shares:
    """All of them, maybe none.

    parts: in which prompts are asked, whoever answers a part. Batches are of one part, and round as
    they do: whoever asks a proof again asks in its parts, by as many processes as there are then.
    lost: why each of those that are no longer there is not.
    """

    def __init__(self, cards: Sequence[str] = ()) -> None:
        self.further = [Further(card) for card in cards]
        self.parts = len(self.further) + 1
        self.lost: list[str] = []

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
        """The last parts are the further processes', one each; this one has the others, and those
        of whom it does not hear."""
        further = list(self.further)
        mine = len(parts) - len(further)
        for one, part in zip(further, parts[mine:], strict=True):
            one.tell([base, [list(prompt) for prompt in part], sorted(stop_ids), most])
        said: list[Prompts] = [spoken(own, part, stop_ids, most) for part in parts[:mine]]
        for one, part in zip(further, parts[mine:], strict=True):
            try:
                said.append(one.hear())
            except RuntimeError as error:
                self.further.remove(one)
                self.lost.append(str(error))
                said.append(spoken(own, part, stop_ids, most))
        return said
