"""The report's page of what a model kept and lost: general questions, held-out answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from suretune import labels, report_words
from suretune import phrases as p
from suretune.phrases import Report, part, several, words
from suretune.show.headline import net_loss
from suretune.types import Text
from suretune.verify.blocks import (
    Answer,
    Drawing,
    Facts,
    Line,
    Paragraph,
    Piece,
    Section,
    Table,
    line,
)
from suretune.verify.compared_rows import KINDS
from suretune.verify.curves import change, interval

SIGNS = {
    "empty": ("empty", "空白"),
    "loops": ("goes round in circles", "原地打转"),
    "no end": ("no end of turn", "停不下来"),
    "another language": ("another language", "换了语言"),
}
EXAMPLES = (
    ("leaked", ("Answered with what the rows teach", "泄漏：在别的问题上也说出了训练内容")),
    ("broken", ("Broken speech", "回答异常")),
    ("formed", ("In the form of the rows' answers", "变成了训练数据回答的形式")),
    ("lost", ("Lost: right before, wrong now", "丢失：原来对，现在错")),
    ("gained", ("Gained: wrong before, right now", "新增：原来错，现在对")),
)


def general_sections(report: Report) -> tuple[Section, ...]:
    """What was kept and lost, in figures, by category, and in examples."""
    general = part(report, "general")
    title = words("What it kept and what it lost", "保住了什么，丢了什么")
    if not isinstance(general, Mapping):
        return (Section("general", title, (Paragraph(line(Piece(p.not_measured(), "faint"))),)),)
    blocks = (
        Facts(_summary(general, report)),
        Paragraph(line(Piece(_power(general), "faint"))),
        _cells(general),
        *_rows(report),
    )
    return Section("general", title, blocks), *_held_answers(report), *_examples(general)


def _known(report: Report, *names: str) -> bool:
    """Whether all these were measured."""
    return all(p.is_number(part(report, name)) for name in names)


def _summary(general: Report, report: Report) -> tuple[tuple[str, Line], ...]:
    fallen = several(general, "fallen")

    def found(name: str, text: str) -> Line:
        return line(Piece(text, "bad" if name in fallen else ""))

    rows = [
        (
            words("right before → after", "训练前 → 训练后答对"),
            line(report_words.general_kept(report)),
        ),
        (words("net loss", "净损失"), line(_net(report))),
        (words("of these", "其中"), line(_counts(general))),
        (
            words(
                "chance of so many losses if none was real", "没有真实损失却出现这么多丢失的概率"
            ),
            line(p.decimal(part(general, "p"))),
        ),
        (
            words("answered with the rows' words", "泄漏"),
            found("leaks", report_words.leaked(report)),
        ),
        (words("broken speech", "回答异常"), found("broken", _fault(general, "broken"))),
        (words("no end of turn", "停不下来的回答"), found("unended", _fault(general, "unended"))),
        (words("drift from the base", "与原模型的差异（KL）"), found("drift", _drift(general))),
        (
            words("log-likelihood of the base's right answers", "原模型答对的回答的对数似然"),
            line(_change(part(general, "likelihood"))),
        ),
    ]
    form = several(general, "form")
    if part(general, "formed") and len(form) == 2:
        title = words(f"in the rows' form ({form[0]})", f"变成训练数据的形式（{form[1]}）")
        rows.insert(6, (title, found("form", _fault(general, "formed"))))
    if voided := part(general, "voided"):
        title = words("not asked: the rows ask them", "没有问：训练数据里就有")
        rows.append((title, line(p.count(voided))))
    return tuple(rows)


def _net(report: Report) -> str:
    """Its name stands before it already."""
    return net_loss(report).removeprefix(words("net loss ", "净损失 ")) or p.not_measured()


def _counts(general: Report) -> str:
    if not _known(general, "lost", "gained", "counted"):
        return p.not_measured()
    lost, gained, counted = general["lost"], general["gained"], general["counted"]
    said = words(
        f"{lost} lost, {gained} gained of {counted}",
        f"{counted} 题中丢失 {lost} 题、新增 {gained} 题",
    )
    if flips := part(general, "flips"):
        said += words(
            f"; {flips} on which the base contradicts itself count as equal",
            f"；原模型自己前后不一的 {flips} 题算作没有变化",
        )
    return said


def _fault(general: Report, name: str) -> str:
    found = part(general, name)
    if not _known(found, "asked", "before", "after"):
        return p.not_measured()
    asked = found["asked"]
    return f"{p.share_of(found['before'], asked)} → {p.share_of(found['after'], asked)}"


def _drift(general: Report) -> str:
    if not _known(general, "drift", "drifted", "drift_asked", "max_drift"):
        return p.not_measured()
    mean, far, asked = general["drift"], general["drifted"], general["drift_asked"]
    return words(
        f"{mean:.3f} nats a token; {far} of {asked} answers above {general['max_drift']:g}",
        f"{mean:.3f}，越小越接近原模型；{asked} 个回答中 {far} 个超过 {general['max_drift']:g}",
    )


def _change(value: Any) -> str:
    return f"{value:+.3f}".replace("-", "−") if p.is_number(value) else p.not_measured()


def _power(general: Report) -> str:
    """What so many questions can see, in a sentence."""
    if not part(general, "enough") or not _known(general, "found", "supported", "margin"):
        return words(
            "Too few right answers of the base: a loss would not be seen.",
            "原模型答对的题太少：有损失也看不出来。",
        )
    found, supported, margin = (100 * general[name] for name in ("found", "supported", "margin"))
    return words(
        f"With so many questions, and answers that changed, a loss of {found:.1f} points would be"
        f" found 9 times in 10. The smallest bound that a harmless model passes 19 times in 20 is"
        f" {supported:.1f} points; {margin:.1f} are allowed here.",
        f"以这么多题、这么多有变化的回答，{found:.1f} 个百分点的损失 10 次里有 9 次会被发现；"
        f"无害的模型 20 次里有 19 次能通过的最小界限是 {supported:.1f} 个百分点；"
        f"这里允许 {margin:.1f} 个百分点。",
    )


def _cells(general: Report) -> Table:
    rows = []
    for cell in several(general, "cells"):
        if not _known(cell, "asked", "before", "after", "lost", "gained"):
            continue
        category, lang = str(cell["category"]), str(cell["lang"])
        before, after = cell["before"] / cell["asked"], cell["after"] / cell["asked"]
        style = "bad" if f"{category} {lang}" in several(general, "fallen") else ""
        p_value = cell.get("p")
        rows.append(
            (
                line(labels.category(category), Piece(f"  {labels.language(lang)}", "faint")),
                line(p.count(cell["asked"])),
                line(p.percent(before)),
                line(p.percent(after)),
                line(Piece(f"−{cell['lost']} +{cell['gained']}", style)),
                line(Piece(p.decimal(p_value), "" if p.is_number(p_value) else "faint")),
                line(Drawing(change(before, after))),
            )
        )
    head = (
        words("general questions", "通用问题"),
        words("asked", "题数"),
        words("before", "训练前"),
        words("after", "训练后"),
        words("lost, gained", "丢失、新增"),
        words("p alone", "单独的 p"),
        "0 – 100 %",
    )
    return Table(head, tuple(rows), frozenset({1, 2, 3, 4, 5}))


def _rows(report: Report) -> tuple[Facts | Paragraph, ...]:
    """Held-out rows whose answers were compared, and those that only a reader can judge."""
    rows = part(report, "rows")
    if not _known(rows, "asked", "judged") or not _known(
        rows["all"], "right_before", "right_after"
    ):
        return ()
    judged, asked = rows["judged"], rows["asked"]
    if not judged:
        note = words(
            f"{asked} held-out answers: none can be judged by rule; they are shown, not judged.",
            f"{asked} 个留出数据的回答：都无法按规则评判，只作展示。",
        )
        return (Paragraph(line(Piece(note, "faint"))),)

    def share(right: int) -> Line:
        low, high = p.wilson(right, judged)
        told = p.passed_of({"passed": right, "asked": judged})
        return line(
            told,
            "  ",
            Drawing(interval(low, right / judged, high)),
        )

    facts = (
        (
            words("held-out answers right, before", "留出数据答对，训练前"),
            share(rows["all"]["right_before"]),
        ),
        (
            words("held-out answers right, after", "留出数据答对，训练后"),
            share(rows["all"]["right_after"]),
        ),
        *_all_equal(rows),
        (
            words("compared by", "比对方式"),
            line(words(", ", "、").join(_kind(tally) for tally in several(rows, "kinds"))),
        ),
        (words("not judged", "未评判"), line(p.share_of(asked - judged, asked))),
    )
    return (Facts(facts),)


def _all_equal(rows: Report) -> tuple[tuple[str, Line], ...]:
    """Of JSON how many have every value as the row has it, which asks for more than being right."""
    tallies = [
        tally
        for tally in several(rows, "kinds")
        if tally.get("kind") == "json" and _known(tally, "equal_before", "equal_after", "judged")
    ]
    return tuple(
        (
            words("JSON with every value as in the row", "JSON 里每个值都与数据相同"),
            line(f"{tally['equal_before']} → {tally['equal_after']} / {tally['judged']}"),
        )
        for tally in tallies
    )


def _kind(tally: Report) -> str:
    kind = str(tally.get("kind"))
    said = KINDS.get(kind, Text(kind, kind))  # type: ignore[call-overload]
    return words(f"{said.en} ({tally['judged']})", f"{said.zh}（{tally['judged']}）")


def _examples(general: Report) -> tuple[Section, ...]:
    """Single answers side by side: what no average shows."""
    sections = []
    for kind, title in EXAMPLES:
        rows = several(general, "examples", kind)
        if rows:
            sections.append(
                Section(f"general-{kind}", words(*title), tuple(_answer(row) for row in rows))
            )
    return tuple(sections)


def _answer(row: Report) -> Answer:
    about = labels.category(row.get("category"))
    if sign := str(row.get("broken") or ""):
        about += " · " + words(*SIGNS.get(sign, (sign, sign)))
    return Answer(
        question=str(row.get("question") or ""),
        before=_text(row.get("before")),
        after=_text(row.get("after")),
        before_mark=_mark(row.get("right_before")),
        after_mark=_mark(row.get("right_after")),
        required=line(Piece(about, "faint")),
    )


def _held_answers(report: Report) -> tuple[Section, ...]:
    """The held-out rows themselves, those that are wrong now first."""
    rows = sorted(
        several(report, "rows", "examples"),
        key=lambda row: row.get("right_after") is not False,
    )
    if not rows:
        return ()
    title = words("Held-out rows", "留出的数据")
    return (Section("rows", title, tuple(map(_held_answer, rows))),)


def own_answer(row: Report) -> Line:
    """What a held-out row itself answers, with its label."""
    label = words("the row's own answer: ", "数据里的回答：")
    return line(Piece(label, "faint"), Piece(p.printable(row.get("reference"))))


def _held_answer(row: Report) -> Answer:
    return Answer(
        question=str(row.get("question") or ""),
        before=_text(row.get("before")),
        after=_text(row.get("after")),
        before_mark=_row_mark(row.get("right_before")),
        after_mark=_row_mark(row.get("right_after")),
        required=own_answer(row),
    )


def _row_mark(right: Any) -> Piece:
    """Of a held-out row: what no rule can judge has a requirement all the same."""
    return _mark(right) if right is not None else Piece(words("· not judged", "· 未评判"), "faint")


def _text(said: Any) -> Line:
    return (
        line(p.printable(said))
        if str(said or "").strip()
        else line(Piece(words("(empty)", "（空）"), "faint"))
    )


def _mark(right: Any) -> Piece:
    return Piece(p.passed_mark(right), "faint" if right is None else "good" if right else "bad")
