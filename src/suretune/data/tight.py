"""Blanks beside the quotes of a CSV file: `a, "b, c" ,d` is meant as `a,"b, c",d`.

The csv reader takes a quote for one only at the very start of a cell.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Tight:
    """Takes out blanks between a delimiter and a quote, line by line, and no other ones.

    A quoted cell may go over several lines; nothing inside of it is touched.
    """

    delimiter: str
    quote: str
    blanks: bool = False  # blanks behind a delimiter are part of it, quoted cell or not
    inside: bool = False  # the next line begins within a quoted cell

    def line(self, text: str) -> str:
        """The line as the csv reader can take it."""
        if not self.inside and self.quote not in text and not self.blanks:
            return text
        made: list[str] = []
        at = 0
        while True:
            at = self._quoted(text, at, made) if self.inside else self._cell(text, at, made)
            if at >= len(text):
                return "".join(made)
            if not self.inside:
                made.append(self.delimiter)
                at += 1
                if at == len(text):  # an empty last cell
                    return "".join(made)

    def _cell(self, text: str, at: int, made: list[str]) -> int:
        """Pass an unquoted cell, or the quote that opens one; the place behind."""
        ink = self._ink(text, at)
        if text[ink : ink + 1] == self.quote:
            made.append(self.quote)
            self.inside = True
            return self._quoted(text, ink + 1, made)
        end = self._end(text, at)
        made.append(text[min(ink, end) if self.blanks and at else at : end])
        return end

    def _quoted(self, text: str, at: int, made: list[str]) -> int:
        """Pass the inside of a quoted cell, its last quote, and blanks behind that."""
        while (close := text.find(self.quote, at)) >= 0:
            twice = text[close + 1 : close + 2] == self.quote
            made.append(text[at : close + 1 + twice])
            at = close + 1 + twice
            if twice:
                continue
            self.inside = False
            ink, end = self._ink(text, at), self._end(text, at)
            if ink < end:  # no quoted cell after all: the csv reader says so
                made.append(text[at:end])
            return end
        made.append(text[at:])
        return len(text)

    def _ink(self, text: str, at: int) -> int:
        """The next place that holds no blank; a delimiter is none."""
        blank = " " if self.delimiter == "\t" else " \t"
        while at < len(text) and text[at] in blank:
            at += 1
        return at

    def _end(self, text: str, at: int) -> int:
        end = text.find(self.delimiter, at)
        return len(text) if end < 0 else end
