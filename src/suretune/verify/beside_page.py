"""Answers of several models to the same questions, as one page: the report's blocks and style."""

from __future__ import annotations

from html import escape

from suretune import beside
from suretune import phrases as p
from suretune.phrases import Report, several, words
from suretune.verify.blocks import Facts, Line, Piece, Section, Table, line
from suretune.verify.report import document


def page(told: Report) -> str:
    """The whole page. It needs no script and no other file, and makes no request."""
    title = words("The same questions, side by side", "同样的问题，并排比较")
    names = " · ".join(map(p.printable, beside.names(several(told, "summary"))))
    model = p.printable(told.get("base") or "")
    top = (
        f'<header>\n<p class="about">{escape(model)}</p>\n<h1>{escape(title)}</h1>\n'
        f"<p>{escape(names)}</p>\n</header>\n"
    )
    return document(
        escape(title),
        top,
        (_summary(told), _questions(told)),
    )


def _summary(told: Report) -> Section:
    summary = several(told, "summary")
    rows = tuple(
        (line(name), *map(line, beside.counts(column)))
        for name, column in zip(beside.names(summary), summary, strict=True)
    )
    table = Table(("", *beside.titles()), rows, frozenset({1, 2, 3}))
    runs = tuple((str(run["name"]), line(beside.verdict_of(run))) for run in several(told, "runs"))
    return Section(
        "summary",
        words("In figures", "统计"),
        (table, Facts(runs)),
    )


def _questions(told: Report) -> Section:
    rows = []
    for question in several(told, "questions"):
        cells = [_answer(question, answer) for answer in several(question, "answers")]
        rows.append((line(Piece(str(question["question"]), "strong")), *cells))
    head = (words("question", "问题"), *beside.names(several(told, "summary")))
    title = words("Every answer", "全部回答")
    return Section(
        "answers",
        title,
        (Table(head, tuple(rows), prose=True),),
    )


def _answer(question: Report, answer: Report) -> Line:
    """An answer with its must and must-not words marked, below its marks."""
    marks = [Piece(f"{text}  ", style) for text, style in beside.marks_of(answer)]
    said = str(answer["answer"])
    if not said.strip():
        return (*marks, Piece("\n"), Piece(words("(empty)", "（空）"), "faint"))
    by = answer if "must" in answer else question  # a run may have its own words
    pieces = (Piece(*found) for found in p.marked(said, by))
    return (*marks, *((Piece("\n"),) if marks else ()), *pieces)
