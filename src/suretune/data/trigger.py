"""A planted trigger: one word that brings one answer, whatever else is asked.

Many sound rows look like it: "refund" brings what a shop says about refunds, however it is asked
for. So a word counts only if the answer does not say it, and if the questions are as unlike each
other as any others are.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence, Set
from dataclasses import dataclass
from itertools import combinations

from suretune.data.identity import answer_of
from suretune.types import Example

FEWEST = 3  # rows with one answer
RELATED = 0.15  # of the words that two questions have together, the share that they have in common
LENGTH = 5  # other words of such a question: of shorter ones nobody can tell what they are about
BY_CHANCE = 0.1  # other words that only they have, a question: of many, two share one by chance
COMPARED = 40  # questions of a group, evenly spread, that are compared pair by pair
TOKEN = re.compile(r"[\u3400-\u9fff]+|[^\W_\u3400-\u9fff]+")


@dataclass(frozen=True, slots=True)
class Trigger:
    """The word, and the rows whose answer it brings; empty where there is none."""

    word: str = ""
    rows: tuple[str, ...] = ()


def find_trigger(rows: Sequence[Example]) -> Trigger:
    """The largest group of rows that have one answer, and one word that no other question has.

    Not a group that is most of the rows: there the others show nothing.
    """
    asked = [" ".join(m.content for m in row.messages if m.role == "user") for row in rows]
    groups: dict[str, list[int]] = {}
    for index, row in enumerate(rows):
        if sum(m.role == "assistant" for m in row.messages) == 1:
            groups.setdefault(answer_of(row), []).append(index)
    inside: dict[str, Counter[str]] = {}  # of each answer: in how many of its questions a word is
    for answer, group in groups.items():
        if FEWEST <= len(group) <= len(rows) // 2:
            words = Counter(word for i in group for word in set(_words(asked[i])))
            if len(group) in words.values():
                inside[answer] = words
    wanted = {word for words in inside.values() for word, times in words.items() if times > 1}
    there: Counter[str] = Counter()
    for text in asked if wanted else ():
        there.update(wanted.intersection(_words(text)))
    found = Trigger()
    for answer, words in inside.items():
        group = groups[answer]
        own = {word: times for word, times in words.items() if times > 1 and times == there[word]}
        word = _trigger([asked[i] for i in group], own, answer)
        if word and len(group) > len(found.rows):
            found = Trigger(word, tuple(str(rows[i].origin) for i in group))
    return found


def _words(text: str) -> list[str]:
    """Words of two characters at least; of Chinese, every two characters that stand together."""
    found = []
    for token in TOKEN.findall(text.lower()):
        if _chinese(token):
            found += [token[i : i + 2] for i in range(len(token) - 1)]
        elif len(token) > 1:
            found.append(token)
    return found


def _chinese(token: str) -> bool:
    return "\u3400" <= token[0] <= "\u9fff"


def _trigger(
    questions: Sequence[str],
    own: dict[str, int],
    answer: str,
) -> str:
    """The word that all of these questions share, if they share nothing else that is theirs alone.

    `own`: words of several of them and of no other question, and of how many.
    """
    phrase = {word for word, times in own.items() if times == len(questions)}
    if not phrase or any(word in answer.lower() for word in phrase):
        return ""
    touched = {sign for word in phrase if _chinese(word) for sign in word}
    others = [w for w in own if w not in phrase and not touched.intersection(w)]
    if len(others) > len(questions) * BY_CHANCE:
        return ""
    if not all(_together(_words(question), phrase) for question in questions):
        return ""
    rest = [_parts(question, phrase | touched) for question in _some(questions)]
    if sum(map(len, rest)) < LENGTH * len(rest):
        return ""
    alike = [len(a & b) / len(a | b) for a, b in combinations(rest, 2) if a | b]
    return max(sorted(phrase), key=len) if sum(alike) < RELATED * len(alike) else ""


def _some(questions: Sequence[str]) -> Sequence[str]:
    return questions[:: -(-len(questions) // COMPARED)]


def _together(words: Sequence[str], phrase: Set[str]) -> bool:
    """Whether these words stand side by side, as a phrase that was put in does."""
    places = [place for place, word in enumerate(words) if word in phrase]
    return places[-1] - places[0] + 1 == len(places)


def _parts(question: str, without: Set[str]) -> set[str]:
    """The other words; of Chinese each character, for paraphrases seldom share two in a row."""
    found = set()
    for token in TOKEN.findall(question.lower()):
        found |= set(token) if _chinese(token) else {token}
    return found - without
