"""Who answers for a stack while it is trained."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from suretune.model.decode import Decoder
from suretune.model.device import let_go
from suretune.model.stack import Stack


class RunDecoder:
    """One decoder for a whole run: what it captured for an evaluation serves the next one, too.

    spare: () -> bytes that may be held between evaluations.
    """

    def __init__(self, stack: Stack, spare: Callable[[], float]) -> None:
        self.stack = stack
        self.spare = spare
        self.decoder: Decoder | None = None

    @contextmanager
    def asked(self) -> Iterator[Decoder]:
        """The decoder, which looks round for memory first."""
        if self.decoder is None:
            self.decoder = Decoder(self.stack)
        self.decoder.look_round()
        yield self.decoder
        self.decoder.release(self.spare())

    def silenced(self) -> bool:
        """Take back for good what is held between evaluations; whether anything was."""
        held = self.decoder is not None and self.decoder.held_bytes() > 0
        if self.decoder is not None and held:
            self.decoder.release()
            self.spare = lambda: 0.0
            let_go(self.decoder.device)
        return held


SILENCED = "a decoder that is captured anew at each evaluation"  # what was given up
