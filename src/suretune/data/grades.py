"""Grades of answers: whether a field says that the answer of its row is wrong.

What is called `correct` or `score` may as well be what a question is about, so no row is judged by
itself: that a field grades is seen where it calls some answers right and others wrong, and the
answers are not but a few over and over, as those of a classification are.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from typing import Any

from suretune.data.key_names import folded
from suretune.types import Fault, Origin, Text

VERDICT = "is_correct"  # the name under which a row is refused
_NAMES = frozenset(
    (
        "correct",
        "correctness",
        "right",
        "passed",
        "pass",
        "verdict",
        "judgement",
        "judgment",
        "grade",
        "score",
        "reward",
        "exact_match",
        "acc",
        "accuracy",
        "label",
        "quality",
        "rating",
        "evaluation",
        "eval",
        "eval_result",
        "result",
        "feedback",
        "thumb",
        "thumbs",
        "正确",
        "是否正确",
        "正确与否",
        "是否合格",
        "是否通过",
        "合格",
        "对错",
        "得分",
        "评分",
        "分数",
        "打分",
        "判断",
        "判定",
        "评价",
        "评测结果",
        "批改",
        "质量",
        "质检结果",
        "审核结果",
        "人工评分",
    )
)
_ENDS = ("_correct", "_correctness", "_passed", "_verdict", "_grade")
_WRONG = frozenset(
    (
        *("false", "no", "wrong", "incorrect", "bad", "fail", "failed", "thumbs_down", "down"),
        *("dislike", "disliked"),
        *("否", "错", "错误", "不正确", "不对", "不合格", "不通过", "未通过", "差", "坏"),
        *("×", "✗", "✘", "❌", "👎"),
    )
)
_RIGHT = frozenset(
    (
        *("true", "yes", "right", "correct", "good", "pass", "passed", "thumbs_up", "up"),
        *("like", "liked"),
        *("是", "对", "正确", "合格", "通过", "好", "√", "✓", "✔", "✅", "👍"),
    )
)
_MANY = 3  # rows for each different answer: then these are classes


def is_wrong(value: Any) -> bool:
    """Whether a grade says that the answer is wrong: no, `错误`, a number that is not above 0."""
    number = _number(value)
    return _word(value) in _WRONG if number is None else number <= 0


def may_grade(name: str) -> bool:
    """Whether a field, by its name, may grade the answer of its row."""
    plain = folded(name)
    return plain in _NAMES or plain.endswith(_ENDS)


def skipping(name: str) -> str:
    """The flags that leave out the rows that a field calls wrong."""
    return shlex.join(("--on_bad_row", "skip", "--columns", f"{name}={VERDICT}"))


@dataclass(slots=True)
class Grades:
    """What one field says of the answers of a dataset."""

    first: Origin | None = None  # row that it calls wrong
    example: str = ""
    wrong: int = 0
    right: int = 0
    rows: int = 0
    most: float = 0.0
    answers: set[int] = field(default_factory=set)

    def see(self, value: Any, answer: str, origin: Origin) -> None:
        """Count one row."""
        number = _number(value)
        self.rows += 1
        self.answers.add(hash(answer))
        self.most = max(self.most, number or 0.0)
        self.right += _word(value) in _RIGHT if number is None else number > 0
        if is_wrong(value):
            self.wrong += 1
            self.first = self.first or origin
            self.example = self.example or str(value)

    def tell(self) -> bool:
        """Whether it calls some answers right and others wrong. Of points above 1 nobody can say
        from which on an answer is right, and votes are no grade at all."""
        return bool(
            self.wrong and self.right and self.most <= 1 and len(self.answers) * _MANY > self.rows
        )

    def fault(self, name: str) -> Fault:
        """That nobody has said what is to become of the rows that it calls wrong."""
        skip, flag = skipping(name), shlex.join(("--ignore_fields", name))
        of = f"{self.wrong:,} / {self.rows:,}"
        return Fault(
            "unknown-field",
            Origin(self.first.file if self.first else "", 0),
            field=name,
            found=Text(
                f"{of} rows say `{self.example}` or the like, the first is {self.first}",
                f"{of} 行写着 `{self.example}` 之类，最先是 {self.first}",
            ),
            hint=Text(
                f"If it says which answers are wrong: `{skip}` leaves those rows out. If it does "
                f"not, or all are to be learned: `{flag}`.",
                f"如果它写的是哪些回答不对：加上 `{skip}`，就略过这些数据。"
                f"如果不是，或者全部都要学：`{flag}`。",
            ),
        )


def _number(value: Any) -> float | None:
    """The number that a grade is; a table's is text."""
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return None
    return float(value) if isinstance(value, (bool, int, float)) else None


def _word(value: Any) -> str:
    return value.strip().lower() if isinstance(value, str) else ""
