"""The two consoles, and text that is safe on them, lines up and breaks where it may."""

from __future__ import annotations

import io
import shutil
import sys
from collections.abc import Iterable, Iterator
from typing import Any, TextIO

from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text as Styled

from suretune.phrases import printable

CLOSERS = frozenset(",.;:!?)]}%，。、；：！？）」』】》”’…")  # never begin a line
OPENERS = frozenset("([{（「『【《“‘")  # never end one
NARROWEST, WIDEST = 40, 100  # columns between which plain text is wrapped


def results() -> Console:
    return _console(sys.stdout)


def progress() -> Console:
    return _console(sys.stderr)


def _console(stream: TextIO) -> Console:
    if isinstance(stream, io.TextIOWrapper):  # a terminal that cannot say ✗ must not end a run
        stream.reconfigure(errors="backslashreplace")
    return Console(file=stream, highlight=False, markup=False, emoji=False)


def put(to: Console, *things: RenderableType, wrap: bool = True) -> None:
    """Print; what goes to a file or a pipe carries no blanks at the ends of its lines."""
    for thing in things:
        shown = wrapped(thing, to.width) if wrap and isinstance(thing, Styled) else thing
        if to.is_terminal or not wrap:
            to.print(shown, soft_wrap=not wrap)
            continue
        with to.capture() as caught:
            to.print(shown)
        to.out("\n".join(row.rstrip() for row in caught.get().split("\n")), end="")


def safe(text: Any, style: str = "") -> Styled:
    return Styled(printable(text), style)


def pairs(
    to: Console, rows: Iterable[tuple[str, Styled]], indent: int = 2, least: int = 0
) -> RenderableType:
    """Labels, of at least so many columns, and texts beside them; wide characters count as two."""
    rows = list(rows)
    labels = max([least, *(cell_len(label) for label, _ in rows)])
    grid = Table.grid(padding=(0, 2, 0, 0), pad_edge=False)
    grid.add_column(no_wrap=True, min_width=labels)
    grid.add_column(overflow="fold")
    for label, text in rows:
        grid.add_row(Styled(label, "dim"), wrapped(text, to.width - indent - labels - 2))
    return Padding(grid, (0, 0, 0, indent))


def columns() -> int:
    """The terminal's width for plain text, COLUMNS included."""
    return min(max(shutil.get_terminal_size().columns, NARROWEST), WIDEST)


def cells(text: str) -> int:
    """Columns that a text takes."""
    return cell_len(text)


def lines(text: str, width: int) -> list[str]:
    """A plain text in lines of at most this many columns; wide characters count as two."""
    return wrapped(Styled(printable(text)), width).plain.split("\n")


def packed(parts: Iterable[str], width: int) -> list[str]:
    """Short texts side by side, none of them cut where it fits into a line of this width."""
    made: list[str] = []
    for part in parts:
        if made and cell_len(f"{made[-1]} · {part}") <= width:
            made[-1] += f" · {part}"
        else:
            made.append(part)
    return made


def wrapped(text: Styled, width: int) -> Styled:
    """The text in lines of at most this many columns.

    rich breaks at blanks alone, so that a Chinese sentence after one Latin word would begin a new
    line. Between two wide characters a line may end, too.
    """
    lines = []
    for line in text.split("\n", allow_blank=True):
        parts = line.divide(_breaks(line.plain, max(width, 2)))
        for part in parts:
            part.rstrip()
        lines += list(parts)
    return Styled("\n").join(lines)


def _breaks(line: str, width: int) -> Iterator[int]:
    """Where a line is cut: at the last place that may end one, else where it is full."""
    start = may = column = 0
    for index, char in enumerate(line):
        wide = cell_len(char) == 2
        after_wide = index > 0 and cell_len(line[index - 1]) == 2
        before = line[index - 1 : index]
        kept = char in CLOSERS or before in OPENERS
        if not kept and (wide or after_wide or before == " "):
            may = index
        column += cell_len(char)
        if column > width and char != " ":
            start = may if may > start else index
            yield start
            column = cell_len(line[start : index + 1])
