"""Two answers beside each other in one row: which names say so, and which is the better one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

from suretune.data.columns import CONTEXTS
from suretune.data.field_words import ASKS, SAYS, bare

# What the better answer is called, and the worse one.
_OPPOSITES = (
    ("preferred", "non_preferred"),
    ("preferred", "not_preferred"),
    ("preferred", "nonpreferred"),
    ("preferred", "dispreferred"),
    ("preferred", "unpreferred"),
    ("preferred", "rejected"),
    ("chosen", "rejected"),
    ("chosen", "unchosen"),
    ("accepted", "rejected"),
    ("selected", "rejected"),
    ("approved", "rejected"),
    ("good", "bad"),
    ("better", "worse"),
    ("best", "worst"),
    ("correct", "incorrect"),
    ("correct", "wrong"),
    ("right", "wrong"),
    ("win", "lose"),
    ("win", "loss"),
    ("winner", "loser"),
    ("winning", "losing"),
    ("positive", "negative"),
    ("pos", "neg"),
    ("desirable", "undesirable"),
    ("helpful", "unhelpful"),
    ("safe", "unsafe"),
    ("j", "k"),
    ("reference", "student"),
    ("reference", "model"),
    ("reference", "predicted"),
    ("gold", "model"),
    ("gold", "predicted"),
    ("expected", "actual"),
)
_OPPOSITES_ZH = (
    ("好", "坏"),
    ("好", "差"),
    ("优", "劣"),
    ("优", "差"),
    ("正确", "错误"),
    ("选中", "拒绝"),
    ("选中", "未选中"),
    ("接受", "拒绝"),
    ("采纳", "拒绝"),
    ("偏好", "非偏好"),
    ("参考", "学生"),
    ("参考", "模型"),
    ("标准", "学生"),
    ("标准", "模型"),
)
_EQUALS = (("a", "b"), ("1", "2"), ("0", "1"))  # which of them is better, nobody can tell
# Of texts that are found, not answered; or of where an answer comes from.
_ALONE = frozenset(("positive", "pos", "j", "reference", "gold", "expected", "参考", "标准"))
# What is wrong and what is right may be a text and its correction, unless a question is there.
_ASKED = (*ASKS, *CONTEXTS, "history")
_MENDED = frozenset(("correct", "right", "good", "better", "safe", "正确", "好"))
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_WORD = re.compile(r"[a-z]+|\d+|[^\Wa-z\d_]+")
_ENDS = tuple(word for word in SAYS if len(word) > 2 or not word.isascii())


@dataclass(frozen=True, slots=True)
class Compared:
    """The fields of two answers to one question; `better` and `worse` are '' if no name tells."""

    names: tuple[str, str]
    better: str = ""
    worse: str = ""


def compared(value: Mapping[str, Any]) -> Compared | None:
    """The two answers that a row compares, by the names of its fields."""
    forms = {_form(str(name)): str(name) for name, held in value.items() if _can_say(held)}
    for good, bad in _opposites():
        for name, other, rest in _twins(forms, good, bad):
            if _answers(rest) if rest else _bare(good.strip("_"), {name, other}, value):
                return Compared((name, other), name, other)
    for one, two in _EQUALS:
        for name, other, rest in _twins(forms, f"_{one}_", f"_{two}_"):
            if _answers(rest) and not _asked(forms, two):
                return Compared((name, other))
    return None


def _bare(
    good: str,
    pair: Set[str],
    value: Mapping[str, Any],
) -> bool:
    """Whether two words that are all of a name say that answers are compared."""
    asked = any(bare(str(name)).endswith(_ASKED) for name in value if name not in pair)
    return good not in _ALONE and (asked or good not in _MENDED)


def alike(one: str, two: str) -> bool:
    """Whether two fields are two of a kind, not a question and its answer: `ref_A`, `ref_B`."""
    forms = {_form(name): name for name in (one, two)}
    return any(list(_twins(forms, f"_{first}_", f"_{second}_")) for first, second in _EQUALS)


def worse_first(names: list[str]) -> list[str]:
    """Two fields in the order of a text and its correction; any others as they are."""
    forms = {_form(name): name for name in names}
    twins = (twin for words in _opposites() for twin in _twins(forms, *words))
    for better, worse, _ in twins if len(names) == 2 else ():
        return [worse, better]
    return names


def _opposites() -> Iterator[tuple[str, str]]:
    for good, bad in _OPPOSITES:
        yield f"_{good}_", f"_{bad}_"
    yield from _OPPOSITES_ZH


def _twins(
    forms: Mapping[str, str],
    one: str,
    two: str,
) -> Iterator[tuple[str, str, str]]:
    """(field, the same with the other word, what both are called without it)."""
    for form, name in forms.items():
        twin = form.replace(two, one, 1)
        if two in form and twin != form and twin in forms:
            yield forms[twin], name, form.replace(two, "_", 1).strip("_")


def _form(name: str) -> str:
    """A name as words between lines: `_good_answer_` of `goodAnswer`, `_answer_2_` of `answer2`."""
    words: Sequence[str] = _WORD.findall(_HUMP.sub("_", name).lower())
    return f"_{'_'.join(words)}_"


def _can_say(held: Any) -> bool:
    """A text or turns; a list of texts is a collection."""
    if isinstance(held, list):
        return any(isinstance(one, Mapping) for one in held)
    return held is None or isinstance(held, (str, Mapping))


def _answers(rest: str) -> bool:
    return rest in SAYS or rest.rstrip("s").endswith(_ENDS)


def _asked(forms: Mapping[str, str], number: str) -> bool:
    """Whether there is a second question too: then the answers answer one each."""
    rests = (form[1 : -len(number) - 2] for form in forms if form.endswith(f"_{number}_"))
    return any(rest.endswith(ASKS) for rest in rests)
