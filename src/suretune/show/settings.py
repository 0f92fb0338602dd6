"""Every setting that is not a default: what was given, and what was chosen and why."""

from __future__ import annotations

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text as Styled

from suretune import labels
from suretune.config import Resolved
from suretune.phrases import printable
from suretune.show.console import ROOMY, put, results, safe, wrapped

VALUES = 16  # columns of the values; the reason of a longer one stands below it
GAP = "  "


def choices(resolved: Resolved, to: Console | None = None) -> None:
    """Name, value and reason in columns; below each other where a terminal is narrow."""
    to = to or results()
    rows = [
        (name, printable(labels.setting(value)), _origin(resolved, name, origin))
        for name, value, origin in resolved.items()
        if origin != "default"
    ]
    if not rows:
        return
    names = max(cell_len(name) for name, _, _ in rows)
    values = min(max(cell_len(value) for _, value, _ in rows), VALUES)
    lines = []
    for row in rows:
        lines += _beside(row, names, values, to.width) if to.width >= ROOMY else _below(row, to)
    put(to, Styled("\n").join(lines), "")


def _origin(resolved: Resolved, name: str, origin: str) -> Styled:
    return safe(labels.origin(origin), "dim" if resolved.given(name) else "")


def _beside(row: tuple[str, str, Styled], names: int, values: int, width: int) -> list[Styled]:
    name, value, origin = row
    indent = names + values + 2 * len(GAP)
    said = wrapped(safe(value, "bold"), width - names - len(GAP)).split("\n")
    why = wrapped(origin, width - indent).split("\n")
    lines = [
        Styled(" " * (names + len(GAP))).append_text(one) if at else _named(name, names, one)
        for at, one in enumerate(said)
    ]
    room = width - cell_len(lines[-1].plain) - len(GAP)
    if len(said) == 1 and cell_len(value) <= values:
        lines[0].append(" " * (indent - cell_len(lines[0].plain))).append_text(why.pop(0))
    elif len(why) == 1 and cell_len(why[0].plain) <= room:
        lines[-1].append(GAP).append_text(why.pop(0))
    return [*lines, *(Styled(" " * indent).append_text(one) for one in why)]


def _named(name: str, names: int, rest: Styled) -> Styled:
    padded = name + " " * (names - cell_len(name))
    return Styled().append(padded, "cyan").append(GAP).append_text(rest)


def _below(row: tuple[str, str, Styled], to: Console) -> list[Styled]:
    name, value, origin = row
    head = Styled().append(name, "cyan").append(GAP).append_text(safe(value, "bold"))
    inner = [*wrapped(origin, to.width - 2).split("\n")]
    return [*wrapped(head, to.width).split("\n"), *(Styled(GAP).append_text(one) for one in inner)]
