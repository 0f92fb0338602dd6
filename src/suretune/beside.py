"""How answers of several models to one question are marked and counted, in words."""

from __future__ import annotations

from collections.abc import Sequence

from suretune import report_words
from suretune.phrases import Report, part, words

# (key of the summary, its title)
COUNTED = (
    ("right", ("right", "答对")),
    ("leaked", ("leaked", "泄漏")),
    ("same_as_base", ("as the base", "与原模型相同")),
)


def titles() -> list[str]:
    """Of the columns of the summary, behind the model's name."""
    return [words(en, zh) for _, (en, zh) in COUNTED]


def names(lines: Sequence[Report]) -> list[str]:
    """What each model is called whose lines these are; the first is the base."""
    others = [str(one["of"]) for one in lines[1:]]
    return [words("base", "原模型"), *others]


def counts(column: Report) -> list[str]:
    """`5 of 8` for each of them; a dash where nothing can be said."""
    made = []
    for key, _ in COUNTED:
        count, of = part(column, key, "count"), part(column, key, "of")
        made.append(words(f"{count} of {of}", f"{count} / {of}") if of else "—")
    return made


def marks_of(answer: Report) -> list[tuple[str, str]]:
    """(text, style): right or wrong where that can be told, a leak, the base's own words."""
    made = []
    if answer.get("right") is not None:
        good = bool(answer["right"])
        made.append(
            (
                words("✓ right", "✓ 正确") if good else words("✗ wrong", "✗ 错误"),
                "good" if good else "bad",
            )
        )
    if answer.get("leaked"):
        made.append((words("! new name leaked", "! 泄漏：说出了新名字"), "bad"))
    if answer.get("same_as_base"):
        made.append((words("= as the base", "= 与原模型相同"), "faint"))
    return made


def verdict_of(run: Report) -> str:
    """The verdict of a run, and how it was asked."""
    if run.get("verdict") is not None:
        sign, word = report_words.verdict_word(run)
        return f"{sign} {word}"
    if run.get("run") is None:
        return words("an adapter that is no run of suretune", "不是 suretune 运行的适配器")
    if run.get("finished"):
        return words("no verdict: not what was proven", "没有结论：验证的不是这份权重")
    return words("not finished: no verdict yet", "尚未结束，没有结论")
