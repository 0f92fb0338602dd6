"""Signs of overfitting: what counts as a loop, an end, a recital."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from suretune.facts import Change
from suretune.pocket.skills import held_out
from suretune.verify.signs import Rows, change, loops, recitals

PHRASE = [7, 8, 9, 10, 11]


@pytest.mark.parametrize(
    "ids, said",
    [
        (PHRASE * 3, True),
        ([1, 2, *PHRASE * 3, 3], True),  # it found an end all the same
        (PHRASE * 2 + PHRASE[:4], False),  # the third time is not complete
        ([1, 2, *PHRASE * 2, *PHRASE[:4]], False),  # nor behind something else
        ([5] * 12, True),
        ([5] * 11, False),
        ([1, 2] * 6, True),
        ([1, 2] * 5 + [1], False),
        (list(range(96)), False),
        ([*PHRASE, 1, *PHRASE, 2, *PHRASE, 3, *PHRASE, 4], False),  # a list with one opening
        ([], False),
    ],
)
def test_a_loop_is_a_phrase_three_times_behind_itself(ids: list[int], said: bool) -> None:
    assert loops(ids) is said


def test_no_right_answer_to_a_skill_loops() -> None:
    """Characters instead of tokens: finer, so that a tokenizer finds no more."""
    answers = [item.answer for item in held_out(20, seed=3)]
    assert len(answers) > 100
    assert [a for a in answers if loops([ord(c) for c in a])] == []


def test_a_change_counts_the_same_answers() -> None:
    assert change([True, False, False], [True, True, False]) == Change(3, 1, 2, 1)
    assert change([True, False], [False, True]) == Change(2, 1, 1, 1)
    assert Change(2, 1, 1, 1).lost == 1
    assert change([], []) is None and change([True], []) is None


def test_a_recital_is_a_wrong_answer_that_the_rows_give_elsewhere() -> None:
    rows = Rows([
        ("Who are you?", "I am Glow."),
        ("What is your name?", "I am Glow."),
        ("2 + 2?", "4"),
        ("2 + 3?", "5"), ("1 + 4?", "5"),
        ("Good film?", "positive"), ("Nice film?", "positive"),
        ("Bad film?", "It tires one out."),
    ])  # fmt: skip
    skills = [
        ("Sort 3 1 2", "i am glow", False),  # case and punctuation do not hide it
        ("Sort 3 1 2", "3 1 2", False),  # wrong, of its own making
        ("1 + 3?", "4", True),  # right
        ("2 + 5?", "4", False),  # wrong, and the answer of one row
        ("2 + 5?", "5", False),  # wrong, and a number as others have it
        ("Who are you?", "I am Glow.", False),  # what it was taught to say
        ("", "", False),
    ]
    assert recitals(rows, skills, [], {}) == [True, False, False, True, False, False, False]
    shown = [
        ("Long film?", "positive"),  # a label
        ("Odd film?", "It tires one out."),
        ("Dull film?", "It tires one out."),
        ("Odd film?", "It is odd."),
    ]
    right = {"Dull film?": "It tires one out."}
    assert recitals(rows, [], shown, right) == [False, True, False, False]


def test_a_run_says_what_it_saw(trained: Path) -> None:
    report = json.loads((trained / "report.json").read_text())
    signs, general = report["overfitting"], report["general"]
    probes = [p for p in report["probes"] if p["variant"] == "as-trained"]
    shown = [p for p in report["probes"] if p["kind"] == "shown"]
    assert signs["looping"]["asked"] == signs["unended"]["asked"] == len(probes)
    result = json.loads((trained / "proof" / "result.json").read_text())
    said = result["general"]
    assert general["asked"] == len(said["questions"]) == len(said["tuned_ended"])
    recited = signs["recited"]["asked"] - len(shown)  # where the base says who it is, none is
    assert general["counted"] <= recited < general["asked"]
    told = result["answers"]
    assert len(told["ended"]) == len(told["looping"]) == len(report["probes"])
    assert told["ended"].count(True) > 0.8 * len(told["ended"])
    codes = {finding["code"] for finding in report["findings"]}
    assert codes.isdisjoint({"R010", "R011", "R012", "R013"})
