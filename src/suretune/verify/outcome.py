"""The first half of a report: what came of it. Verdict, answers, skills, losses, curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from suretune import phrases as p
from suretune import report_words
from suretune.phrases import Report, part, several, words
from suretune.show.headline import Cause, causes, remarks
from suretune.verify.blocks import (
    Answer,
    Chart,
    Charts,
    Drawing,
    Facts,
    Line,
    Paragraph,
    Piece,
    Section,
    Table,
    line,
)
from suretune.verify.curves import Point, Series, chart, interval
from suretune.verify.general_sections import general_sections, own_answer
from suretune.verify.other_mode import other_mode

KINDS = {
    "must-pass": ("must pass", "必过"),
    "paraphrase": ("paraphrase, held out", "没学过的问法"),
    "shown": ("shown only", "仅展示"),
}


@dataclass(frozen=True, slots=True)
class Headline:
    """The top of the page. `kind` is the verdict as stored, `figures` the few numbers beside it."""

    kind: str
    sign: str
    word: str
    sentence: str
    reasons: tuple[Cause, ...]
    remarks: tuple[str, ...]
    figures: tuple[tuple[str, str], ...]


def headline(report: Report) -> Headline:
    """Verdict, reasons, remarks and figures of a report: what stands on top."""
    sign, word = report_words.verdict_word(report)
    return Headline(
        kind=str(report.get("verdict") or ""),
        sign=sign,
        word=word,
        sentence=report_words.verdict_sentence(report),
        reasons=tuple(causes(report)),
        remarks=tuple(remarks(report)),
        figures=report_words.figures(report),
    )


def outcome(report: Report) -> tuple[Section, ...]:
    """The sections that say what came of it, the most telling first."""
    return (
        _first(report),
        _answers(report),
        _paraphrases(report),
        *other_mode(report),
        *general_sections(report),
        _held_out(report),
        _overfitting(report),
        _curves(report),
    )


# --- answers ------------------------------------------------------------------------------------


def _answer(probe: Report, moment: str) -> Line:
    """An answer with its must and must-not words marked."""
    given = probe.get(moment)
    if given is None:
        return line(Piece(p.not_measured(), "faint"))
    if not str(given).strip():
        return line(Piece(words("(empty)", "（空）"), "faint"))
    return tuple(Piece(*found) for found in p.marked(given, probe))


def _mark(probe: Report, moment: str) -> Piece:
    passed = probe.get(f"passed_{moment}")
    asks = several(probe, "must") or several(probe, "must_not")
    if probe.get(moment) is None or (passed is None and asks):
        return Piece(p.not_measured(), "faint")
    return Piece(p.passed_mark(passed), "faint" if passed is None else "good" if passed else "bad")


def _required(probe: Report) -> Line:
    """The words of which an answer must contain one, and those of which it must contain none."""
    must, must_not = several(probe, "must"), several(probe, "must_not")
    some = words("must contain at least one of ", "至少包含其一：")
    one = words("must contain ", "必须包含：")
    parts: list[Piece] = []
    for asked, style, label in (
        (must, "must", some if len(must) > 1 else one),
        (must_not, "must-not", words("must contain none of ", "不得包含：")),
    ):
        for index, word in enumerate(asked):
            lead = (" · " if parts else "") + label if index == 0 else " / "
            parts += [Piece(lead, "faint"), Piece(str(word), style)]
    if probe.get("reference"):  # of a held-out row
        return (*parts, *own_answer(probe))
    return tuple(parts)


def _first(report: Report) -> Section:
    shown = tuple(
        Answer(
            question=str(probe.get("question") or ""),
            before=_answer(probe, "before"),
            after=_answer(probe, "after"),
            before_mark=_mark(probe, "before"),
            after_mark=_mark(probe, "after"),
            required=_required(probe),
        )
        for probe in report_words.first_answers(report)
    )
    title = words("The answers, before and after", "训练前后的回答")
    return Section("answers", title, shown or (_missing(),))


def _answers(report: Report) -> Section:
    rows = []
    for probe in several(report, "probes"):
        en, zh = KINDS.get(str(probe.get("kind")), (str(probe.get("kind") or ""),) * 2)
        question = (
            *line(str(probe.get("question") or "")),
            Piece(f"\n{words(en, zh)}", "faint"),
            *((Piece("\n"), *_required(probe)) if _required(probe) else ()),
        )
        if probe.get("if_fails") and probe.get("passed_after") is False:
            question += (Piece(f"\n{p.printable(probe['if_fails'])}", "bad"),)
        before, after = (
            (_mark(probe, moment), Piece("\n"), *_answer(probe, moment))
            for moment in ("before", "after")
        )
        rows.append((question, line(Piece(p.system_words(probe), "faint")), before, after))
    head = (
        words("question", "问题"),
        words("system prompt", "系统提示词"),
        words("before", "训练前"),
        words("after", "训练后"),
    )
    title = words("Every question", "全部问题")
    block = Table(head, tuple(rows), prose=True) if rows else _missing()
    return Section("questions", title, (block,))


def _missing() -> Paragraph:
    return Paragraph(line(Piece(p.not_measured(), "faint")))


def _paraphrases(report: Report) -> Section:
    def said(counts: Any) -> Line:
        passed, asked = part(counts, "passed"), part(counts, "asked")
        if not p.is_number(passed) or not p.is_number(asked) or not asked:
            return line(Piece(p.not_measured(), "faint"))
        low, high = p.wilson(passed, asked)
        drawing = Drawing(interval(low, passed / asked, high))
        return line(p.passed_of(counts), "  ", drawing)

    rows = (
        (
            words("paraphrases kept out of training", "没有参与训练的问法"),
            said(report.get("paraphrases")),
        ),
        (
            words("of these, asked in the proof only", "其中只在最终验证时才问"),
            said(report.get("only_in_the_proof")),
        ),
        (
            words("asked with no system prompt sent", "提问时不发送系统提示词"),
            said(report.get("template_default")),
        ),
    )
    title = words("Asked in other ways", "换一种问法")
    note = words(
        "The intervals are Wilson's, 95 %, for this many questions.",
        "区间为该题数下的 Wilson 95% 置信区间。",
    )
    return Section(
        "paraphrases",
        title,
        (Facts(rows), Paragraph(line(Piece(note, "faint")))),
    )


# --- losses --------------------------------------------------------------------------------------


def _held_out(report: Report) -> Section:
    held = report.get("held_out")
    before, after = part(held, "before"), part(held, "after")
    difference = p.not_measured()
    if p.is_number(before) and p.is_number(after):
        difference = f"{after - before:+.4g}".replace("-", "−")
    rows = (
        (words("before", "训练前"), line(p.decimal(before))),
        (words("after", "训练后"), line(p.decimal(after))),
        (words("difference", "变化"), line(difference)),
        (words("rows", "行数"), line(p.count(part(held, "rows")))),
    )
    note = words(
        "Nats per learned token on rows that were never trained on; lower is better.",
        "在从未参与训练的行上，每个学习的 token 的平均损失；越低越好。",
    )
    title = words("Held-out loss", "留出数据的损失")
    return Section(
        "held-out",
        title,
        (Facts(rows), Paragraph(line(Piece(note, "faint")))),
    )


def _overfitting(report: Report) -> Section:
    signs = (
        ("looping", words("a phrase three times or more in a row", "同一短语连续出现三遍以上")),
        ("unended", words("no end of turn within the limit", "到长度上限仍未结束")),
        (
            "recited",
            words("a training answer to an unrelated question", "对无关的问题背出训练答案"),
        ),
    )
    rows = []
    for name, title in signs:
        found = part(report, "overfitting", name)
        asked = part(found, "asked")
        before, after = (p.share_of(part(found, at), asked) for at in ("before", "after"))
        gained = part(found, "gained")
        rows.append((line(title), line(before), line(after), line(p.count(gained))))
    held = part(report, "overfitting", "held_out")
    least, step = part(held, "least"), part(held, "step")
    lowest = p.decimal(least)
    if p.is_number(least):
        lowest += words(f" after update {step}", f"（第 {step} 次更新后）")
    head = (
        words("of the same answers", "同样的问题"),
        words("before", "训练前"),
        words("after", "训练后"),
        words("newly", "新出现"),
    )
    losses = (
        (words("held-out loss, lowest", "留出数据的损失，最低"), line(lowest)),
        (
            words("held-out loss, kept weights", "留出数据的损失，保留的权重"),
            line(p.decimal(part(held, "kept"))),
        ),
    )
    blocks = (Table(head, tuple(rows), frozenset({1, 2, 3})), Facts(losses))
    return Section(
        "overfitting",
        words("Signs of overfitting", "过拟合的迹象"),
        blocks,
    )


# --- curves -------------------------------------------------------------------------------------


def _points(records: list[Any], key: str) -> tuple[Point, ...]:
    return tuple(
        (record["step"], record[key] if p.is_number(record.get(key)) else None)
        for record in records
        if isinstance(record, Mapping) and p.is_number(record.get("step")) and key in record
    )


def _curves(report: Report) -> Section:
    steps = several(report, "steps")
    due = set(several(report, "plan", "eval_steps")) if part(report, "plan", "held_out") else set()
    held = tuple(  # what was asked on the way without held-out rows measured nothing, nor failed
        (step, loss)
        for step, loss in _points(several(report, "evals"), "held_out_loss")
        if loss is not None or step in due
    )
    loss = [Series(words("training", "训练"), _points(steps, "loss"))]
    if held:
        loss.append(Series(words("held out", "留出"), held, dots=True))
    rate, norm = _points(steps, "learning_rate"), _points(steps, "grad_norm")
    remark = words("nats per learned token", "每个学习的 token 的平均值")
    if held:
        remark += words("; ringed: held-out evaluations", "；带圈的点：留出数据评估")
    elif several(report, "evals"):
        remark += words("; held-out loss: not measured", "；留出数据的损失：未测量")
    if any(y is None for one in loss for _, y in one.points):
        remark += words("; ✗: NaN or Inf", "；✗：出现 NaN 或 Inf")
    at = [step for step, _ in held]
    peak = max((y for _, y in rate if y is not None), default=None)
    charts = (
        _chart(words("Loss", "损失"), _ends(loss[0].points) + remark, loss, (), wide=True),
        _chart(
            words("Learning rate", "学习率"),
            words("peak ", "峰值 ") + p.decimal(peak),
            [Series(words("learning rate", "学习率"), rate)],
            at,
            wide=False,
        ),
        _chart(
            words("Gradient norm", "梯度范数"),
            words("before clipping", "裁剪之前"),
            [Series(words("norm", "范数"), norm)],
            at,
            wide=False,
        ),
    )
    return Section("curves", words("Curves", "曲线"), (Charts(charts),))


def _ends(points: tuple[Point, ...]) -> str:
    """The first and the last value, if both were measured."""
    if not points or points[0][1] is None or points[-1][1] is None:
        return ""
    return f"{p.decimal(points[0][1])} → {p.decimal(points[-1][1])} · "


def _chart(
    title: str,
    remark: str,
    series: list[Series],
    at: Sequence[float],
    *,
    wide: bool,
) -> Chart:
    x_name = words("update", "更新")
    broken = words("NaN or Inf", "出现 NaN 或 Inf")
    narrow = chart(title, series, at, x_name, broken, (360, 216))
    if not narrow:
        return Chart(title, p.not_measured(), "")
    large = chart(title, series, at, x_name, broken, (760, 260)) if wide else ""
    return Chart(title, remark, narrow, large)
