"""What a report is made of, whatever it is written as: HTML and Markdown read the same blocks."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of text, not yet escaped. `style`: must, must-not, good, bad, faint, strong, code."""

    text: str
    style: str = ""


@dataclass(frozen=True, slots=True)
class Drawing:
    """An SVG, finished and escaped, and the words that stand for it where none can be shown."""

    svg: str
    words: str = ""


Line = tuple[Piece | Drawing, ...]


def line(*parts: str | Piece | Drawing) -> Line:
    """A line of texts, pieces and drawings."""
    return tuple(Piece(part) if isinstance(part, str) else part for part in parts)


def ticked(text: str) -> Line:
    """A sentence in which what stands between backquotes is code."""
    parts = text.split("`")
    if len(parts) % 2 == 0:  # one of them is alone: it is no quote
        return line(text)
    return tuple(Piece(part, "code" if at % 2 else "") for at, part in enumerate(parts) if part)


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A sentence or two."""

    line: Line


@dataclass(frozen=True, slots=True)
class Facts:
    """Labels and what belongs to them."""

    rows: tuple[tuple[str, Line], ...]


@dataclass(frozen=True, slots=True)
class Table:
    """`numbers`: columns set flush right. A `prose` table becomes cards on a narrow screen."""

    head: tuple[str, ...]
    rows: tuple[tuple[Line, ...], ...]
    numbers: frozenset[int] = frozenset()
    prose: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """One question and its answers before and after, each with what became of its requirement."""

    question: str
    before: Line
    after: Line
    before_mark: Piece
    after_mark: Piece
    required: Line = ()


@dataclass(frozen=True, slots=True)
class Chart:
    """A curve in two shapes (a wide one may be missing), with a caption of title and remark."""

    title: str
    remark: str
    svg: str
    wide: str = ""


@dataclass(frozen=True, slots=True)
class Charts:
    """Curves that are looked at together; a wide one comes first."""

    charts: tuple[Chart, ...]


@dataclass(frozen=True, slots=True)
class Command:
    """Something to type, and what it does."""

    what: str
    command: str


@dataclass(frozen=True, slots=True)
class More:
    """Detail that is folded away under a line of summary."""

    summary: str
    blocks: tuple[Block, ...]


Block = Paragraph | Facts | Table | Answer | Charts | Command | More


@dataclass(frozen=True, slots=True)
class Section:
    """`name` is its address in the page."""

    name: str
    title: str
    blocks: tuple[Block, ...]
