"""What a report says, in words: its verdict, the few numbers a reader looks for, how it went.

A report is the mapping that a run writes as `report.json`. Any part of it may be missing: then the
words are "not measured", never a zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from suretune.phrases import (
    Report,
    count,
    decimal,
    duration,
    is_number,
    not_measured,
    part,
    percent,
    several,
    words,
)
from suretune.types import Text
from suretune.words import say

VERDICTS = {
    "sealed": ("✓", Text("Sealed", "验证通过")),
    "not-verified": ("!", Text("Trained, not verified", "已训练，未通过验证")),
    "forgetting-not-measured": (
        "◐",
        Text("Learned; what was forgotten is not measured", "学会了；忘掉了什么没有测量"),
    ),
    "trained": ("○", Text("Trained, not yet tested", "已训练，尚未验证")),
    "stopped": ("■", Text("Stopped", "已停止")),
}
SENTENCES = {
    "sealed": Text(
        "A fresh process loaded this adapter from disk, and it passed every check.",
        "一个全新的进程从磁盘加载了这个适配器，它通过了每一项检查。",
    ),
    "sealed, with findings ignored": Text(
        "A fresh process loaded this adapter from disk, and it passed every check that was not"
        " ignored on request.",
        "一个全新的进程从磁盘加载了这个适配器；除了按要求忽略的检查，它都通过了。",
    ),
    "not-verified": Text(
        "Training finished, but the adapter did not pass its proof.",
        "训练完成了，但适配器没有通过验证。",
    ),
    "forgetting-not-measured": Text(
        "The adapter passed what was asked of it, but the base answers too few general questions"
        " for a loss to be seen: no seal.",
        "适配器通过了提出的问题，但原模型答得上来的通用问题太少，看不出它忘掉了什么：不算验证通过。",
    ),
    "trained": Text(
        "Training finished. Nothing has been proven about the adapter.",
        "训练完成了。这个适配器还没有经过任何验证。",
    ),
    "stopped": Text("The run was stopped before it was finished.", "运行在完成之前被停止了。"),
}
GOT_OVER = {  # what a run got over, by the code of the finding that tells it
    "T002": Text("rows were left out (T002)", "跳过了算不出结果的数据（T002）"),
    "T003": Text("training went back to an earlier state (T003)", "训练退回过之前的状态（T003）"),
    "T004": Text(
        "memory ran out and passes became smaller (T004)", "显存或内存不足，改为更小的计算（T004）"
    ),
    "T005": Text("a loss was out of line (T005)", "有损失明显异常（T005）"),
}
FEW = 5  # held-out rows: of fewer no answers are compared (R019)
UNKNOWN = ("?", Text("No verdict", "没有结论"))


def verdict_word(report: Report) -> tuple[str, str]:
    """(sign, word) of the verdict."""
    sign, word = VERDICTS.get(str(report.get("verdict")), UNKNOWN)
    return sign, say(word)


def verdict_sentence(report: Report) -> str:
    """The verdict in one honest sentence; findings that were ignored belong to it."""
    verdict = str(report.get("verdict"))
    if verdict not in SENTENCES:
        return words("This run has reached no verdict.", "这次运行没有得出结论。")
    ignored = sorted({str(f.get("code")) for f in several(report, "findings") if f.get("ignored")})
    found = f"{verdict}, with findings ignored" if ignored else verdict
    sentence = say(SENTENCES.get(found, SENTENCES[verdict]))
    if is_whole(report):
        sentence = sentence.replace(words("adapter", "适配器"), words("model", "模型"))
    sentence += _unjudged(report) + _few_rows(report) + _got_over(report)
    names = ", ".join(ignored)
    return sentence + (words(f" Ignored: {names}.", f"已忽略：{names}。") if ignored else "")


def _unjudged(report: Report) -> str:
    """What a seal does not say where no answer of a held-out row can be judged by rule."""
    rows = part(report, "rows")
    left = part(rows, "open")
    if report.get("verdict") == "stopped" or not left or part(rows, "judged"):
        return ""
    return words(
        f" Whether {left} held-out answers are right no rule can tell: read them.",
        f"{left} 个留出数据的回答对不对，规则判断不了，请自己读一读。",
    )


def _few_rows(report: Report) -> str:
    """That a seal has nothing under it but the loss of very few rows."""
    rows = part(report, "held_out", "rows")
    asked = part(must_pass(report), "asked") or part(report, "paraphrases", "asked")
    if report.get("verdict") != "sealed" or asked or not rows or rows >= FEW:
        return ""
    lines = "row" if rows == 1 else "rows"
    return words(
        f" That it learned what the rows say stands on the loss of {rows} held-out {lines} alone,"
        " which nearly any training lowers; more of them show it: `--val_dataset FILE`.",
        f"是否学会了数据里的内容，只看了 {rows} 行留出数据的损失，几乎任何训练都会让它下降；"
        "多留出一些才看得出来：`--val_dataset 文件`。",
    )


def is_whole(report: Report) -> bool:
    """Whether the base's own weights learned, and what was made is a model, no adapter."""
    made = report.get("adapter")
    return isinstance(made, Mapping) and bool(made.get("tensors")) and made.get("rank") is None


def on_the_way(report: Report) -> list[Report]:
    """The findings that tell what training got over."""
    found = (f for f in several(report, "findings") if isinstance(f, Mapping))
    return [f for f in found if f.get("code") in GOT_OVER]


def _got_over(report: Report) -> str:
    """In the verdict's own sentence, because it belongs to what was made."""
    codes = [str(f["code"]) for f in on_the_way(report)]
    told = [say(text) for code, text in GOT_OVER.items() if code in codes]
    joined = words(", ", "、").join(told)
    return words(f" On the way: {joined}.", f"途中：{joined}。") if told else ""


def figures(report: Report) -> tuple[tuple[str, str], ...]:
    """The few numbers that a reader looks for first."""

    def of(counts: Any, before: Any = None) -> str:
        if not is_number(part(counts, "passed")) or not part(counts, "asked"):
            return not_measured()
        came = f"{before['passed']} → " if before else ""
        return came + words(
            f"{counts['passed']} of {counts['asked']}", f"{counts['passed']} / {counts['asked']}"
        )

    def arrow(before: Any, after: Any, form: Any) -> str:
        if not is_number(before) and not is_number(after):
            return not_measured()
        return f"{form(before)} → {form(after)}"

    held, asked = part(report, "held_out"), must_pass(report)
    return (
        (words("must-pass questions", "必过的验证问题"), of(asked, must_pass(report, "before"))),
        (words("held-out paraphrases", "没学过的问法"), of(report.get("paraphrases"))),
        (words("general questions kept", "通用能力"), general_kept(report)),
        (
            words("answered with the rows' words", "泄漏到别的问题"),
            leaked(report),
        ),
        *_rows_right(report),
        (
            words("held-out loss", "留出数据的损失"),
            arrow(part(held, "before"), part(held, "after"), decimal),
        ),
        (words("updates made", "更新次数"), updates_made(report)),
        *(
            ((words("dose", "适配器强度"), decimal(part(report, "dose", "value"))),)
            if dose(report)
            else ()
        ),
        (in_all(report), duration(part(report, "seconds", "total"))),
    )


def _rows_right(report: Report) -> tuple[tuple[str, str], ...]:
    """How many answers of held-out rows are right; nothing where none can be compared."""
    rows = part(report, "rows")
    judged, counted = part(rows, "judged"), part(rows, "all")
    if not judged or not is_number(part(counted, "right_after")):
        return ()
    before, after = counted["right_before"], counted["right_after"]
    name = words("held-out answers right", "留出数据答对")
    return ((name, words(f"{before} → {after} of {judged}", f"{before} → {after} / {judged}")),)


def in_all(report: Report) -> str:
    """What the seconds of the last process are: of a run that was resumed, not of all of it."""
    if is_number(report.get("resumed")):
        return words("since it was resumed", "继续以来用时")
    return words("whole run", "全程用时")


def counted_since(report: Report) -> str:
    """From when the seconds count, where an earlier process has begun the run; else empty."""
    done = report.get("resumed")
    if not is_number(done):
        return ""
    if not done:
        return words("since the run was begun anew", "从重新开始时算起")
    return words(
        f"since the run was resumed after update {done}",
        f"从第 {done} 次更新之后继续时算起",
    )


def general_kept(report: Report) -> str:
    """`90.1 % → 88.0 %`."""
    found = general_counts(report)
    if found is None:
        return not_measured()
    counted, before, after, _ = found
    return f"{percent(before / counted)} → {percent(after / counted)}"


def leaked(report: Report) -> str:
    """How many general answers say what the rows taught."""
    found = part(report, "general", "leaked")
    asked, gained = part(found, "asked"), part(found, "gained")
    if not is_number(asked) or not asked or not is_number(gained):
        return not_measured()
    return words(f"{gained} of {asked}", f"{gained} / {asked}")


def general_counts(report: Report) -> tuple[float, ...] | None:
    """(questions that count, right before, right after, upper bound of the share lost)."""
    general = part(report, "general")
    found = [part(general, key) for key in ("counted", "before", "after", "loss_upper")]
    enough = part(general, "enough") and all(map(is_number, found)) and found[0]
    return tuple(found) if enough else None


def updates_made(report: Report) -> str:
    """How many of the planned updates were made."""
    made, planned = len(several(report, "steps")), part(report, "plan", "updates")
    if not made or not is_number(planned):
        return not_measured()
    return words(f"{count(made)} of {count(planned)}", f"{count(made)} / {count(planned)}")


def dose(report: Report) -> str:
    """`0.7 of the trained adapter (5 doses tried)`; empty where all of it was published."""
    value, tried = part(report, "dose", "value"), several(report, "dose", "tried")
    if not is_number(value) or value == 1:
        return ""
    said = words(f"{value:g} of the trained adapter", f"训练所得适配器的 {value:g}")
    if part(report, "dose", "given") or not tried:
        return said
    return said + words(f" ({len(tried)} doses tried)", f"（试过 {len(tried)} 级）")


def first_answers(report: Report, most: int = 3) -> list[Report]:
    """The answers to show first: must-pass questions as they were trained, then the others."""
    probes = [p for p in several(report, "probes") if isinstance(p, Mapping)]

    def rank(probe: Report) -> tuple[bool, bool]:
        return probe.get("variant") == "template-default", probe.get("kind") != "must-pass"

    return sorted(probes, key=rank)[:most]


def must_pass(report: Report, moment: str = "after") -> dict[str, int] | None:
    """{"passed", "asked"} of the must-pass questions under the trained system prompt."""
    judged = [
        bool(p.get(f"passed_{moment}"))
        for p in several(report, "probes")
        if p.get("kind") == "must-pass"
        and p.get("variant") != "template-default"
        and p.get(f"passed_{moment}") is not None
    ]
    return {"passed": sum(judged), "asked": len(judged)} if judged else None


def speed(report: Report) -> float | None:
    """Tokens per second over all updates."""
    steps = several(report, "steps")
    tokens = sum(s["tokens"] for s in steps if is_number(s.get("tokens")))
    seconds = sum(s["seconds"] for s in steps if is_number(s.get("seconds")))
    return tokens / seconds if tokens and seconds else None


def limit_share(report: Report) -> float | None:
    """The median update's share of what the device's matrix products allow; None off a GPU."""
    shares = sorted(
        s["share_of_limit"] for s in several(report, "steps") if is_number(s.get("share_of_limit"))
    )
    return shares[len(shares) // 2] if shares else None


def peak_memory(report: Report) -> int | None:
    """The largest peak of any update; None when no device measured one."""
    values = [s["memory_bytes"] for s in several(report, "steps") if s.get("memory_bytes")]
    return max((v for v in values if is_number(v)), default=None)
