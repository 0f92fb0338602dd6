"""The shipped general questions: how many, how alike, and what no two sets of them share."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache

import pytest

from suretune.battery.checks import judge
from suretune.battery.items import CATEGORIES, Question, proof_questions, way_questions
from suretune.data.anchors import general_questions
from suretune.data.identity import known_questions, plain
from suretune.pocket.skills import held_out

MOST = 8  # questions of one template
LEAST = 400  # questions of the proof a language


def skeleton(question: Question) -> str:
    """The wording without what it is about."""
    text = question.asked.lower()
    for entity in sorted(question.entities, key=len, reverse=True):
        text = text.replace(entity.lower(), "…")
    return re.sub(r"\W+", " ", re.sub(r"\d+", "#", text)).strip()


@cache
def folded(text: str) -> str:
    """As a pattern that ignores case reads it where it looks for ASCII."""
    return text.translate({ord("İ"): "i", ord("ı"): "i", ord("ſ"): "s"}).lower()


def stands_in(entity: str, text: str) -> bool:
    """As a word of its own; Chinese has no words."""
    if not entity.isascii():
        return entity in text
    if entity.lower() not in folded(text):  # a pattern takes a hundred times as long to miss
        return False
    pattern = rf"(?<![^\W_]){re.escape(entity)}(?![^\W_])"
    return re.search(pattern, text, re.IGNORECASE) is not None


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_there_are_enough_of_every_kind(lang: str) -> None:
    mine = [q for q in proof_questions() if q.lang == lang]
    assert len(mine) >= LEAST
    assert {q.category for q in mine} == set(CATEGORIES)
    assert min(Counter(q.category for q in mine).values()) >= 30
    assert len([q for q in way_questions() if q.lang == lang]) >= 40


def test_whoever_explains_a_sum_or_a_function_has_room_to_end() -> None:
    """Qwen2.5-Coder-1.5B writes its steps first: of 111 sums 92 were cut, and 23 counted right."""
    explained = [q for q in proof_questions() if q.category in ("sums", "code")]
    assert {q.tokens for q in explained} == {160}
    sums = [q for q in explained if q.id == "en-sums-005"]
    steps = (
        "To determine how many cookies Oscar has left after eating 4 of them, we can follow these"
        " steps:\n\n1. Start with the initial number of cookies Oscar had.\n2. Subtract the number"
        " of cookies he ate from the initial number.\n\nThe initial number of cookies Oscar had is"
        " 9. He ate 4 cookies."  # 64 tokens, which was the limit
    )
    end = " So, we subtract:\n\n\\[ 9 - 4 = 5 \\]\n\nTherefore, he has \\(\\boxed{5}\\) left."
    assert (judge(sums, [steps]), judge(sums, [steps + end])) == ([False], [True])


@pytest.mark.parametrize("asked", [proof_questions, way_questions])
def test_no_template_is_used_too_often(asked: object) -> None:
    questions = asked()  # type: ignore[operator]
    for key in (lambda q: (q.lang, q.template), lambda q: (q.lang, skeleton(q))):
        worst, count = Counter(map(key, questions)).most_common(1)[0]
        assert count <= MOST, worst


def test_no_two_ids_and_no_two_questions_are_the_same() -> None:
    whole = [*proof_questions(), *way_questions()]
    assert len({q.id for q in proof_questions()}) == len(proof_questions())
    said = [tuple((m.role, m.content) for m in q.messages) for q in whole]
    assert len(set(said)) == len(said)


def test_proof_and_way_share_no_wording() -> None:
    assert not {skeleton(q) for q in proof_questions()} & {skeleton(q) for q in way_questions()}
    assert not {(q.lang, q.template) for q in proof_questions()} & {
        (q.lang, q.template) for q in way_questions()
    }


def test_proof_way_and_anchors_are_about_other_things() -> None:
    """Nothing that is learned along, or asked on the way, is what the proof asks about."""
    learned = "\n".join(m.content for q in general_questions() for m in q.messages)
    way = "\n".join(m.content for q in way_questions() for m in q.messages if m.role == "user")
    proof = "\n".join(m.content for q in proof_questions() for m in q.messages if m.role == "user")
    for q in proof_questions():
        assert not [e for e in q.entities if stands_in(e, learned) or stands_in(e, way)], q.id
    for q in way_questions():
        assert not [e for e in q.entities if stands_in(e, learned) or stands_in(e, proof)], q.id


def test_no_question_is_an_anchor_a_skill_or_the_identitys_own() -> None:
    others = {plain(q.asked) for q in general_questions()} | known_questions()
    others |= {plain(item.question) for item in held_out(25, 0)}
    for q in (*proof_questions(), *way_questions()):
        assert plain(q.asked) not in others, q.id


def test_every_entity_stands_in_its_question() -> None:
    for q in (*proof_questions(), *way_questions()):
        text = "\n".join(m.content for m in q.messages)
        assert all(entity in text for entity in q.entities), q.id
