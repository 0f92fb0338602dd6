"""The checkers against labels made by hand: real answers of small chat models, right or not.

A label is made from the question and the answer alone, before anybody sees the checker's verdict,
and never bent towards it. The Chinese answers are Gemma 3 270M's, SmolLM2's and the pocket model's,
balanced so that nearly half pass the checker. `DIFFER` publishes on how many labels checker and
reader differ; a checker that changes has to publish its new figure.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from suretune.battery.checks import judge
from suretune.battery.items import proof_questions

LABELS = Path(__file__).parent / "labels"
DIFFER = {"zh": 16}  # of 200


def labelled(lang: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (LABELS / f"{lang}.jsonl").read_text("utf-8").splitlines()]


@pytest.mark.parametrize("lang", DIFFER)
def test_labels_are_many_and_of_every_kind(lang: str) -> None:
    labels, questions = labelled(lang), {q.id: q for q in proof_questions()}
    assert len(labels) >= 200 and len({(x["id"], x["answer"]) for x in labels}) == len(labels)
    asked = {questions[x["id"]].category for x in labels}
    assert asked == {q.category for q in proof_questions() if q.lang == lang}
    right = sum(x["right"] for x in labels)
    assert min(right, len(labels) - right) >= 40


@pytest.mark.parametrize("lang", DIFFER)
def test_checker_and_reader_differ_as_often_as_is_published(lang: str) -> None:
    labels, questions = labelled(lang), {q.id: q for q in proof_questions()}
    said = judge([questions[x["id"]] for x in labels], [x["answer"] for x in labels])
    assert sum(v != x["right"] for v, x in zip(said, labels, strict=True)) == DIFFER[lang]
