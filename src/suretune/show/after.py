"""The verdict of a run: what came of it, three answers, and what to type next."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text as Styled

from suretune import phrases as p
from suretune import report_words, typed
from suretune.phrases import Report, several, words
from suretune.show.console import pairs, put, results, safe, wrapped
from suretune.show.headline import causes, remarks

SIDE_BY_SIDE = 84  # columns that two answers need beside each other
WIDEST = 140  # columns that two answers are spread over
STYLES = {"sealed": "bold green", "not-verified": "bold yellow", "stopped": "bold red"}


def verdict(
    report: Report,
    page: Path | str | None = None,
    to: Console | None = None,
) -> None:
    """What came of the run, three answers, where the report lies, and what to type next."""
    to = to or results()
    sign, word = report_words.verdict_word(report)
    style = STYLES.get(str(report.get("verdict")), "bold")
    put(
        to,
        Styled(f"{sign} {word}", style),
        safe(report_words.verdict_sentence(report), "bold"),
    )
    for cause in causes(report):
        put(to, pairs(to, [("-", safe(f"{cause.name}  {cause.what}".rstrip()))]))
    put(
        to,
        "",
        pairs(to, ((name, safe(value)) for name, value in report_words.figures(report))),
    )
    if more := remarks(report):
        put(to, pairs(to, [("", safe(words(" ", "").join(more), "dim"))], 0))
    put(to, "")
    for probe in report_words.first_answers(report):
        _answers(probe, to)
    if page is None and report.get("run"):
        page = Path(str(report["run"])) / "report.html"
    if page is not None:
        put(
            to,
            safe(words("report  ", "报告  ") + typed.path(page)),
            wrap=False,
        )
    for item in several(report, "next"):
        put(to, safe(p.told(item.get("what")), "dim"))
        put(
            to,
            safe(f"  {item.get('command') or ''}", "bold"),
            wrap=False,
        )


def _answers(probe: Report, to: Console) -> None:
    """One question, with both answers side by side where there is room."""
    put(to, safe(probe.get("question"), "bold"))
    if probe.get("if_fails") and probe.get("passed_after") is False:
        put(to, safe(probe["if_fails"], "yellow"))
    names = words("before", "训练前"), words("after", "训练后")
    sides = [_answer(probe, moment) for moment in ("before", "after")]
    marks = [_mark(probe, moment) for moment in ("before", "after")]
    if to.width >= SIDE_BY_SIDE:
        table = Table(
            box=None,
            padding=(0, 3, 0, 0),
            pad_edge=False,
            show_header=False,
        )
        width = (min(to.width, WIDEST) - 8) // 2
        for _ in names:
            table.add_column(overflow="fold", width=width)
        heads = (_head(name, mark) for name, mark in zip(names, marks, strict=True))
        table.add_row(*heads)
        table.add_row(*(wrapped(side, width) for side in sides))
        put(to, Padding(table, (0, 0, 0, 2)), "")
        return
    for name, mark, side in zip(names, marks, sides, strict=True):
        put(to, _head(f"  {name}", mark))
        put(to, Padding(wrapped(side, to.width - 4), (0, 0, 0, 4)))
    put(to, "")


def _head(name: str, mark: Styled) -> Styled:
    return Styled().append(f"{name}  ", "dim").append_text(mark)


def _answer(probe: Report, moment: str) -> Styled:
    if probe.get(moment) is None:
        return Styled(p.not_measured(), "dim")
    styles = {"must": "bold green", "must-not": "bold red", "": ""}
    made = Styled()
    for piece, kind in p.marked(probe[moment], probe):
        made.append(piece, styles[kind])
    return made


def _mark(probe: Report, moment: str) -> Styled:
    passed = probe.get(f"passed_{moment}")
    if probe.get(moment) is None:
        return Styled()
    return Styled(p.passed_mark(passed), "dim" if passed is None else "green" if passed else "red")
