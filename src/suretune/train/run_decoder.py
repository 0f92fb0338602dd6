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
        try:
            yield self.decoder
        finally:
            self.decoder.release(self.spare())

    def released(self) -> bool:
        """Take back what is held for the next answer; whether anything was."""
        held = self.decoder is not None and self.decoder.held_bytes() > 0
        if self.decoder is not None and held:
            self.decoder.release()
            let_go(self.decoder.device)
        return held

    def silenced(self) -> bool:
        """Take it back for good; whether anything was held."""
        held = self.released()
        if held:
            self.spare = lambda: 0.0
        return held


SILENCED = "a decoder that is captured anew at each evaluation"  # what was given up
