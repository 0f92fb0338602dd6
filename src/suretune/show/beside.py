"""Answers of several models to the same questions, one below the other, and what they come to."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text as Styled

from suretune import phrases as p
from suretune.beside import counts, marks_of, names, titles, verdict_of
from suretune.phrases import Report, several, words
from suretune.show.console import pairs, put, results, safe, wrapped


def beside(told: Report, to: Console | None = None) -> None:
    """Every question with all its answers and their marks; then a line a model."""
    to = to or results()
    for question in several(told, "questions"):
        put(to, safe(question.get("question"), "bold"))
        answers = several(question, "answers")
        for name, answer in zip(names(answers), answers, strict=True):
            head = Styled("  ").append_text(safe(name, "dim")).append("  ")
            for mark in _marks(answer):
                head.append_text(mark)
            put(to, head)
            put(to, Padding(wrapped(_said(question, answer), to.width - 4), (0, 0, 0, 4)))
        put(to, "")
    table = Table(box=None, padding=(0, 3, 0, 0), pad_edge=False)
    for title in ("", *titles()):
        table.add_column(title, overflow="fold")
    summary = several(told, "summary")
    for name, column in zip(names(summary), summary, strict=True):
        table.add_row(safe(name, "dim"), *map(safe, counts(column)))
    put(to, table)
    verdicts = [(p.printable(run["name"]), safe(verdict_of(run))) for run in several(told, "runs")]
    put(to, "", pairs(to, verdicts, indent=0))


def _marks(answer: Report) -> list[Styled]:
    styles = {"good": "green", "bad": "red", "faint": "dim"}
    return [Styled(f"{text}  ", styles[style]) for text, style in marks_of(answer)]


def _said(question: Report, answer: Any) -> Styled:
    if not str(answer["answer"]).strip():
        return Styled(words("(empty)", "（空）"), "dim")
    by = answer if "must" in answer else question  # a run may have its own words
    styles = {"must": "bold green", "must-not": "bold red", "": ""}
    made = Styled()
    for piece, kind in p.marked(answer["answer"], by):
        made.append(piece, styles[kind])
    return made
