"""Grades of answers: whether a field says that the answer of its row is wrong.

What is called `correct` or `score` may as well be what a question is about, so no row is judged by
itself: that a field grades is seen where it calls some answers right and others wrong, and the
answers neither say the same nor are but a few over and over, as those of a classification are.
"""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Set
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
_STEPS = 11  # different numbers: 0, 0.1, ... 1; more are measured, and not judged
_HEARD = 100  # answers of each kind whose words are compared
_ENOUGH = 6  # of each kind: fewer have a word of their own by chance
_MOST = 0.9  # of them
_SPOKEN = re.compile(r"[^\W_\u3040-\u9fff]+|[\u3040-\u9fff]")


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
    wrong: list[tuple[str, str]] = field(default_factory=list)  # (what it says, the answer), a few
    right: list[tuple[str, str]] = field(default_factory=list)
    wrongs: int = 0
    rows: int = 0
    numbers: set[float] = field(default_factory=set)
    answers: set[int] = field(default_factory=set)

    def see(self, value: Any, answer: str, origin: Origin) -> None:
        """Count one row."""
        number = _number(value)
        self.rows += 1
        self.answers.add(hash(answer))
        if number is not None and len(self.numbers) <= _STEPS:
            self.numbers.add(number)
        said = _word(value) if number is None else f"{number:g}"
        if is_wrong(value):
            self.wrongs += 1
            self.first = self.first or origin
            self.example = self.example or str(value)
            _heard(self.wrong, said, answer)
        elif said in _RIGHT if number is None else number > 0:
            _heard(self.right, said, answer)

    def tell(self) -> bool:
        """Whether it calls some answers right and others wrong."""
        if not self.wrong or not self.right or self._measures():
            return False
        different = len(self.answers)
        few = different <= 2 and different < len(self.wrong) + len(self.right)
        if few or different * _MANY <= self.rows:
            return False
        if _say_it(self.wrong + self.right):
            return False
        return not self._speak_of_it()

    def _measures(self) -> bool:
        """Of points above 1, or of many kinds, nobody can say from which on an answer is right;
        votes are no grade at all."""
        parts = any(number < 0 and not number.is_integer() for number in self.numbers)
        return parts or len(self.numbers) > _STEPS or max(self.numbers, default=0) > 1

    def _speak_of_it(self) -> bool:
        """Whether the answers of one kind have a word that those of the other have not: `negative`,
        `not`. Then it is what the rows are about."""
        if min(len(self.wrong), len(self.right)) < _ENOUGH:
            return False
        wrong = _shares(self.wrong)
        right = _shares(self.right)
        return _has_own(wrong, right) or _has_own(right, wrong)

    def fault(self, name: str) -> Fault:
        """That nobody has said what is to become of the rows that it calls wrong."""
        skip, flag = skipping(name), shlex.join(("--ignore_fields", name))
        of = f"{self.wrongs:,} / {self.rows:,}"
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


def _heard(
    kind: list[tuple[str, str]],
    said: str,
    answer: str,
) -> None:
    if len(kind) < _HEARD:
        kind.append((said, answer))


def _say_it(graded: list[tuple[str, str]]) -> bool:
    """Whether the answers say what the field says: `False. It is 1.` of `False`."""
    for said, answer in graded:
        words = _spoken(said)
        if not words or not words <= _spoken(answer):
            return False
    return True


def _shares(graded: list[tuple[str, str]]) -> dict[str, float]:
    """By word, the share of the answers that have it."""
    counts = Counter(word for _, answer in graded for word in _spoken(answer))
    return {word: count / len(graded) for word, count in counts.items()}


def _has_own(
    one: dict[str, float],
    other: dict[str, float],
) -> bool:
    """Whether the answers of one kind have a word in common that the others lack."""
    common = [word for word, share in one.items() if share >= _MOST]
    return any(other.get(word, 0) <= 1 - _MOST for word in common)


def _spoken(text: str) -> Set[str]:
    return set(_SPOKEN.findall(text.lower()))
