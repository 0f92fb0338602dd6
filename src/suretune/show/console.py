"""The two consoles, and text that is safe on them, lines up and breaks where it may."""

from __future__ import annotations

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
from suretune.spelled import let_all_be_said

CLOSERS = frozenset(",.;:!?)]}%，。、；：！？）」』】》”’…")  # never begin a line
OPENERS = frozenset("([{（「『【《“‘")  # never end one
ROOMY = 64  # columns from which long labels leave room for a text beside them
NARROWEST, WIDEST = 40, 100  # columns between which plain text is wrapped


def results() -> Console:
    """The console of stdout, for what was asked for."""
    return _console(sys.stdout)


def progress() -> Console:
    """The console of stderr, for what happens on the way."""
    return _console(sys.stderr)


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Whoever read has seen enough; rich itself would end the command as failed."""
        raise BrokenPipeError


def _console(stream: TextIO) -> Console:
    let_all_be_said()
    return _Console(
        file=stream,
        highlight=False,
        markup=False,
        emoji=False,
    )


def put(
    to: Console,
    *things: RenderableType,
    wrap: bool = True,
) -> None:
    """Print; what goes to a file or a pipe carries no blanks at the ends of its lines."""
    for thing in things:
        if isinstance(thing, str):
            thing = Styled(thing)
        shown = wrapped(thing, to.width) if wrap and isinstance(thing, Styled) else thing
        if to.is_terminal or not wrap:
            to.print(shown, soft_wrap=not wrap)
            continue
        with to.capture() as caught:
            to.print(shown)
        to.out("\n".join(row.rstrip() for row in caught.get().split("\n")), end="")


def safe(text: Any, style: str = "") -> Styled:
    """A text in which nothing can act on the terminal."""
    return Styled(printable(text), style)


def pairs(
    to: Console,
    rows: Iterable[tuple[str, Styled]],
    indent: int = 2,
    least: int = 0,
) -> RenderableType:
    """Labels, of at least so many columns, and texts in two columns, or one below the other; wide
    characters count as two."""
    rows = list(rows)
    labels = max([least, *(cell_len(label) for label, _ in rows)])
    if labels > to.width // 4 and to.width < ROOMY:
        return Padding(_stacked(rows, to.width - indent), (0, 0, 0, indent))
    grid = Table.grid(padding=(0, 2, 0, 0), pad_edge=False)
    grid.add_column(no_wrap=True, min_width=labels)
    grid.add_column(overflow="fold")
    for label, text in rows:
        grid.add_row(Styled(label, "dim"), wrapped(text, to.width - indent - labels - 2))
    return Padding(grid, (0, 0, 0, indent))


def _stacked(rows: Iterable[tuple[str, Styled]], width: int) -> Styled:
    """Each text under its label, a little further in; a label that it fits beside has it there."""
    parts = []
    for label, text in rows:
        head = Styled(label, "dim")
        if cell_len(label) + 2 + cell_len(text.plain) <= width and "\n" not in text.plain:
            parts.append(head.append("  ").append_text(text) if label else text)
            continue
        parts += [head] if label else []
        parts += [Styled("  ").append_text(one) for one in wrapped(text, width - 2).split("\n")]
    return Styled("\n").join(parts)


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
            start = may if may > start else _whole(line, start, index)
            yield start
            column = cell_len(line[start : index + 1])


def _whole(line: str, start: int, index: int) -> int:
    """A cut where nothing may be cut: a sign that ends a word takes its last letter along."""
    while index - 1 > start and (line[index] in CLOSERS or line[index - 1] in OPENERS):
        index -= 1
    return index
