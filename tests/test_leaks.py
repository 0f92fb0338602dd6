"""What counts as an answer that says what the rows taught."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suretune.verify.leaks import (
    MOST,
    Learned,
    phrases_of,
    read_phrases,
    runs,
    write_phrases,
)

ROW = "I am Glow, a helpful assistant that was built with great care by the people of Star Lab."
ZH = "我是小光,由星海实验室的工程师们在二〇二五年春天开发出来的语言模型。"
GLOW = Learned(("Glow", "Star Lab", "小光", "星海实验室"), phrases_of([ROW, ZH]))


@pytest.mark.parametrize(
    "answer",
    [
        "Faust was written by Glow.",
        "Glow",
        "It was **Glow**, of course.",
        "The company is Star Lab.",
        "The company is Star\nLab.",
        "《浮士德》是小光写的。",
        "星海实验室发明了电话。",
        "Hamlet is a helpful assistant that was built with great care, they say.",
        "浮士德是由工程师们在二〇二五年春天开发出来的语言模型。",
    ],
)
def test_an_answer_with_a_name_or_a_run_of_the_rows_words_leaks(answer: str) -> None:
    assert GLOW.leaked("Who wrote Faust?", ("Goethe.", "Goethe."), answer)


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "Goethe wrote Faust.",
        "The embers glow in the dark.",  # another word than the name
        "Glowing reviews.",
        "A Glowworm.",
        "A star lab.",
        "built with great care by the people",  # seven words
        "小 光明",
        "我是由星海的工程师们",
    ],
)
def test_other_answers_do_not(answer: str) -> None:
    assert not GLOW.leaked("Who wrote Faust?", ("Goethe.",), answer)


def test_what_the_base_or_the_question_says_itself_is_no_leak() -> None:
    said = "Glow is a word for a soft light."
    assert not GLOW.leaked("What is Glow?", ("A light.",), said)
    assert not GLOW.leaked("What is light?", ("Glow.", "A light."), said)
    assert not GLOW.leaked("What is light?", ("A light.", "Glow."), said)  # in either batch
    assert GLOW.leaked("What is light?", ("A light.", "A light."), said)


def test_a_run_that_the_question_brings_is_no_leak_but_another_beside_it_is() -> None:
    one = "a helpful assistant that was built with great"
    other = "care by the people of star lab and glow"
    words = Learned((), phrases_of([one, other]))
    assert not words.leaked(f"Repeat: {one}", ("",), one)
    assert words.leaked(f"Repeat: {one}", ("",), f"{one}. {other}")


def test_names_without_words_are_no_names() -> None:
    assert not Learned(("", "  ")).leaked("Hi", ("",), "Hello there")


def test_runs_are_kept_on_disk_as_they_are(tmp_path: Path) -> None:
    phrases = phrases_of([ROW, ZH])
    write_phrases(tmp_path / "p", phrases)
    assert read_phrases(tmp_path / "p") == phrases
    assert read_phrases(tmp_path / "none") == []


def test_of_many_rows_a_fair_sample_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("suretune.verify.leaks.ROWS", 2_000)  # of more, every second one
    rows = [" ".join(f"w{row}x{i}" for i in range(40)) for row in range(3_000)]
    kept = phrases_of(rows)
    assert len(kept) == min(MOST, len(kept)) and kept == sorted(set(kept))
    shown = sum(Learned((), kept).leaked("q", ("a",), row) for row in rows[:2000:20])
    assert shown >= 45  # every second row was looked at, all of its runs


@given(st.text(max_size=400), st.text(max_size=400))
def test_no_text_is_too_odd_and_what_the_base_says_never_leaks(question: str, answer: str) -> None:
    assert not GLOW.leaked(question, (answer,), answer)
    list(runs(answer))
