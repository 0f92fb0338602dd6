"""Every request that was refused: counted by its status, and told in the log without its words.

Who guesses keys, or knocks at a door that is shut, shall be seen; a flood of them shall not fill a
disk. So the first few of a status are a line each, and the rest of ten seconds one line together.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from suretune.serve.spoken import spoken

log = logging.getLogger("suretune.serve")
LINES = 5  # of one status in a window
WINDOW_SECONDS = 10.0


@dataclass(slots=True)
class _Window:
    """What came with one status since its first line."""

    lines: int = 0
    untold: int = 0
    last: str = ""


@dataclass(slots=True)
class Refusals:
    """`count` is told each status once."""

    count: Callable[[int], None] = lambda status: None
    _open: dict[int, _Window] = field(default_factory=dict)

    def note(
        self,
        status: int,
        code: str | None,
        what: str,
        client: str,
    ) -> None:
        """A request was refused; `what` is its method and path, and none of its words.

        Call within the event loop.
        """
        self.count(status)
        window = self._open.get(status)
        if window is None:
            window = self._open[status] = _Window()
            asyncio.get_running_loop().call_later(
                WINDOW_SECONDS,
                self._end,
                status,
            )
        if window.lines < LINES:
            window.lines += 1
            named = "" if code is None else f" {code}"
            log.info(
                spoken("refused: %d%s, %s, from %s"),
                status,
                named,
                what,
                client,
            )
        else:
            window.untold += 1
            window.last = client

    def _end(self, status: int) -> None:
        window = self._open.pop(status)
        if window.untold:
            log.info(
                spoken("refused: %d, %d more within %.0f s, the last from %s"),
                status,
                window.untold,
                WINDOW_SECONDS,
                window.last,
            )
