"""Signs of overfitting, read off answers that are given anyway. Pure.

An answer goes round in circles, has no end, or recites a row where nobody asked for it. Each is
counted among the same answers before and after: a base may loop or run on by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from suretune.data.identity import plain
from suretune.facts import Change

LOOP = 12  # tokens; what is shorter ("1 1 1", "ha ha ha") may be the right answer
TIMES = 3  # a phrase behind itself


def loops(ids: Sequence[int]) -> bool:
    """Whether a phrase stands at least three times behind itself, for 12 tokens or more.

    Holtzman et al. 2020 ("The Curious Case of Neural Text Degeneration") call a text repetitive
    that *ends* in repetitions of a phrase. A tuned model may loop and still find an end, so here
    the place does not matter; a third time and a length are asked for, as answers are short.
    """
    for period in range(1, len(ids) // TIMES + 1):
        needed = max(TIMES * period, LOOP) - period  # tokens that equal those a period before
        same = 0
        for index in range(period, len(ids)):
            same = same + 1 if ids[index] == ids[index - period] else 0
            if same >= needed:
                return True
    return False


def change(before: Sequence[bool], after: Sequence[bool]) -> Change | None:
    """Of the same answers, how many show a fault; None where they were not looked at."""
    if len(before) != len(after) or not after:
        return None
    gained = sum(now and not then for then, now in zip(before, after, strict=True))
    return Change(len(after), sum(before), sum(after), gained)


class Rows:
    """What the training rows ask and answer, without case, spaces and punctuation."""

    def __init__(self, rows: Iterable[tuple[str, str]]) -> None:
        self._asked: dict[str, set[str]] = {}  # by answer
        for question, answer in rows:
            if said := plain(answer):
                self._asked.setdefault(said, set()).add(plain(question))

    def recited(self, question: str, answer: str) -> bool:
        """Whether this is, word for word, the rows' answer to other questions only. A number that
        several have is nobody's own words."""
        said = plain(answer)
        asked = self._asked.get(said)
        if asked is None or plain(question) in asked:
            return False
        return len(asked) == 1 or not said.isdecimal()

    def recited_one(self, question: str, answer: str) -> bool:
        """The same, of an answer that one question has to itself: labels have many."""
        return self.recited(question, answer) and len(self._asked[plain(answer)]) == 1


def recitals(
    rows: Rows,
    skills: Sequence[tuple[str, str, bool]],
    shown: Sequence[tuple[str, str]],
    right: Mapping[str, str],
) -> list[bool]:
    """One a skill (question, answer, whether it is right), then one a shown question.

    On the rows' own questions and their paraphrases a recital is what training is for. Here it is
    a fault: a wrong answer to a skill, or to a held-out question the answer of another row.
    `right`: the held-out rows' own answers.
    """
    wrong = [not correct and rows.recited(question, said) for question, said, correct in skills]
    return wrong + [
        rows.recited_one(question, said) and plain(right.get(question, "")) != plain(said)
        for question, said in shown
    ]
