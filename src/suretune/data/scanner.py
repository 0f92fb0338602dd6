"""Where JSON values begin and end in a stream, found without parsing them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from suretune.data.feed import LIMIT, Feed

INK = re.compile(rb"[^ \t\n]")
_STRUCTURE = re.compile(rb'["\[\]{}]')
_AFTER_SCALAR = re.compile(rb'[ \t\n,:"\[\]{}]')
_OPEN, _OPEN_LIST, _QUOTE, _BACKSLASH = b'{["\\'


class TooLong(Exception):
    """A value is over LIMIT."""


@dataclass(slots=True)
class Scanner:
    """A place in a text, with its line and column (in characters), both from 1.

    Offsets given and taken count bytes from the place, so reading on may drop what lies before.
    """

    feed: Feed
    file: str
    at: int = 0
    line: int = 1
    column: int = 1

    def next(self) -> int:
        """Move to the next byte that is not blank and return it; -1 at the end."""
        while not (ink := INK.search(self.feed.held, self.at)):
            self.move(len(self.feed.held) - self.at)
            if not self._grow():
                return -1
        self.move(ink.start() - self.at)
        return ink.group()[0]

    def ink(self, offset: int) -> tuple[int, int]:
        """(offset, byte) of what is not blank, from `offset` on; the byte is -1 at the end."""
        while not (ink := INK.search(self.feed.held, self.at + offset)):
            offset = len(self.feed.held) - self.at
            if not self._grow():
                return offset, -1
        return ink.start() - self.at, ink.group()[0]

    def text(self, start: int, end: int) -> bytes:
        """The bytes from `start` to `end`, counted from where the scanner stands."""
        return self.feed.held[self.at + start : self.at + end]

    def rest(self) -> bytes:
        """All that was read and not passed; after the end was met, the rest of the file."""
        return self.feed.held[self.at :]

    def move(self, size: int) -> None:
        """Go `size` bytes on, counting lines and, in characters, columns."""
        held, start, end = self.feed.held, self.at, self.at + size
        if breaks := held.count(b"\n", start, end):
            self.line += breaks
            self.column = 1
            start = held.rindex(b"\n", start, end) + 1
        self.column += len(held[start:end].decode(errors="ignore"))
        self.at = end

    def end(self, offset: int, depth: int = 0) -> int | None:
        """Just after the value that begins at `offset`; None when the file ends first.

        `depth`: how many brackets are open before it.
        """
        if not depth and self.text(offset, offset + 1)[0] not in b'{["':
            return self._end_of_scalar(offset + 1)
        while True:
            held = self.feed.held
            found = _STRUCTURE.search(held, self.at + offset)
            if not found:
                offset = len(held) - self.at
                if not self._grow():
                    return None
                continue
            offset = found.end() - self.at
            byte = held[found.start()]
            if byte == _QUOTE:
                closing = held.find(b'"', found.end())
                if closing > 0 and held[closing - 1] != _BACKSLASH:
                    offset = closing + 1 - self.at
                elif (closed := self._end_of_string(offset)) is not None:
                    offset = closed
                else:
                    return None
            else:
                depth += 1 if byte in (_OPEN, _OPEN_LIST) else -1
            if depth <= 0:
                return offset

    def _end_of_scalar(self, offset: int) -> int:
        while not (found := _AFTER_SCALAR.search(self.feed.held, self.at + offset)):
            offset = len(self.feed.held) - self.at
            if not self._grow():
                return offset
        return found.start() - self.at

    def _end_of_string(self, offset: int) -> int | None:
        """Just after the closing quote of the string whose inside begins at `offset`."""
        while True:
            found = self.feed.held.find(b'"', self.at + offset)
            if found < 0:
                offset = len(self.feed.held) - self.at
                if not self._grow():
                    return None
                continue
            offset = found + 1 - self.at
            before = found
            while self.feed.held[before - 1] == _BACKSLASH:
                before -= 1
            if (found - before) % 2 == 0:
                return offset

    def _grow(self) -> bool:
        """Read on, and drop what lies before the place."""
        if len(self.feed.held) - self.at > LIMIT:
            raise TooLong
        self.feed.held = self.feed.held[self.at :]
        self.at = 0
        return self.feed.more()
