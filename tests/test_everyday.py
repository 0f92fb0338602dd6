"""Everyday questions that wait to be measured among the anchors: they keep the laws of anchors."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import test_anchors
from suretune.data.anchors import LANGUAGES, General, general_questions
from suretune.types import Message

RECIPES = Path(__file__).resolve().parent.parent / "recipes"
LEAST = {"en": 800, "zh": 400}
LAWS = (
    test_anchors.test_no_shape_is_used_too_often,
    test_anchors.test_each_is_a_conversation_without_its_answer,
    test_anchors.test_they_share_no_template_with_way_and_proof,
    test_anchors.test_they_share_no_entity_with_way_and_proof,
    test_anchors.test_they_share_nothing_with_the_independent_judge,
    test_anchors.test_none_is_a_question_of_the_identity,
)


def everyday() -> list[General]:
    """Of `recipes/everyday.*.jsonl`, written as `anchors.*.jsonl` are."""
    made = []
    for lang in LANGUAGES:
        lines = (RECIPES / f"everyday.{lang}.jsonl").read_text("utf-8").splitlines()
        for number, line in enumerate(map(json.loads, lines), 1):
            said = tuple(Message(m["role"], m["content"]) for m in line["messages"])
            about = tuple(line["entities"])
            made.append(General(lang, number, line["category"], line["template"], about, said))
    return made


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
def test_beside_the_anchors_they_keep_their_laws(
    law: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    both = (*general_questions(), *everyday())
    monkeypatch.setattr(test_anchors, "general_questions", lambda: both)
    law()


@pytest.mark.parametrize("lang", LANGUAGES)
def test_they_are_many_and_begin_in_many_ways(lang: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = everyday()
    assert {q.category for q in made} == {"everyday"}
    assert sum(q.lang == lang for q in made) >= LEAST[lang]
    both = (*general_questions(), *made)
    monkeypatch.setattr(test_anchors, "general_questions", lambda: both)
    test_anchors.test_they_begin_in_many_ways(lang)
