"""What counts as an answer that says what the rows taught."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import ROOT
from suretune.battery.items import LANGUAGES, proof_questions, way_questions
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
EIGHT = "one two three four five six seven eight"


def glow() -> Learned:
    """Made in the test: a change of how it is made is noticed only there (mutate.py)."""
    return Learned(("Glow", "Star Lab", "小光", "星海实验室"), phrases_of([ROW, ZH]))


@pytest.mark.parametrize(
    "answer",
    [
        "Faust was written by Glow.",
        "Glow",
        "It was **Glow**, of course.",
        "The company is Star Lab.",
        "The company is Star\nLab.",
        "《浮士德》是小光写的。",
        "我是Glow，很高兴认识你。",  # no blank between the two ways of writing
        "《浮士德》是Star Lab写的。",
        "星海实验室发明了电话。",
        "Hamlet is a helpful assistant that was built with great care, they say.",
        "浮士德是由工程师们在二〇二五年春天开发出来的语言模型。",
    ],
)
def test_an_answer_with_a_name_or_a_run_of_the_rows_words_leaks(answer: str) -> None:
    assert glow().leaked("Who wrote Faust?", ("Goethe.", "Goethe."), answer)


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "Goethe wrote Faust.",
        "The embers glow in the dark.",  # another word than the name
        "Glowing reviews.",
        "A Glowworm.",
        "An Afterglow, an AfterGlow.",
        "A star lab.",
        "built with great care by the people",  # seven words
        "小 光明",
        "我是由星海的工程师们",
    ],
)
def test_other_answers_do_not(answer: str) -> None:
    assert not glow().leaked("Who wrote Faust?", ("Goethe.",), answer)


NAMES = ("Luna", "Star Lab", "XiaoYan", "GPT-X", "O'Neil", "Nova", "May", "Will", "Max", "小燕")


@pytest.mark.parametrize(
    "answer",
    [
        "Faust was written by LUNA.",
        "faust was written by luna.",
        "LunaAI wrote it.",
        "Luna2 wrote it.",
        "Ｌｕｎａ wrote it.",
        "Luna’s work.",
        "《浮士德》是luna写的。",
        "Star-Lab made it.",
        "StarLab made it.",
        "It is from STAR LAB.",
        "Xiaoyan did.",
        "Xiao Yan did.",
        "GPT‑X did.",
        "It was O’Neil.",
        "It was written by Nova.",
        "It was written by NovaAI.",
        "Written by May.",
        "His name was Will.",
        "I am Max.",
        "小燕画的。",
        "答案是小燕2。",
    ],
)
def test_a_name_leaks_however_it_is_written(answer: str) -> None:
    learned = Learned(NAMES)
    assert learned.leaked("Who wrote Faust?", ("Goethe.",), answer)
    assert learned.beyond(("The moon.", "You may. It will.")).leaked("Who?", ("He.",), answer)


@pytest.mark.parametrize(
    "answer",
    [
        "A lunar eclipse, a LUNAR eclipse, a lunatic.",
        "You may go; it will rain at most, max 3 mm.",
        "A nova is a star that flares. It may look new.",
        "max(3, 4) is 4, MAX_VALUE and MaxPooling are not.",
        "YOU MAY NOT PASS, AND YOU WILL NOT.",
        "Innovative ideas, Novartis and Casanova.",
        "The star lab is a laboratory for stars.",
        "gpt is a kind of model; O'Neill is another.",
        "燕子是一种小鸟，小雨燕也是。",
        "他将在五月到达，may 和 will 是情态动词。",
        "Maximilian, Mayor Willis and Willow.",
        "The Novas of this world.",
    ],
)
def test_words_that_look_like_a_name_are_none(answer: str) -> None:
    assert not Learned(NAMES).leaked("Who wrote Faust?", ("Goethe.",), answer)


def test_a_capital_where_a_sentence_begins_is_explained_by_the_word() -> None:
    learned = Learned(("May", "Glow"))
    for said in ("May I ask who?", "Yes.\nMay you live long!", "1. May you live long."):
        assert not learned.leaked("Who may?", ("You.",), said)
        assert not learned.leaked("Who?", ("You may.",), said)
        assert not learned.beyond(("Anyone may.",)).leaked("Who?", ("You.",), said)
        assert learned.leaked("Who?", ("You.",), said)
    for said in ("I am May.", "Yes.\nIt is May.", "- One\n- Two, says May"):
        assert learned.leaked("Who may?", ("You may.",), said)


def test_a_word_that_the_base_says_anywhere_is_no_name_in_these_letters() -> None:
    learned = Learned(("Luna",)).beyond(("The moon is called la luna in Spanish.",))
    assert not learned.leaked("La mer?", ("The sea.",), "El mar y la luna.")
    assert learned.leaked("Who?", ("He.",), "Luna.") and learned.leaked("Who?", ("He.",), "LUNA.")


def test_names_of_nobody_leak_in_no_question_of_the_battery() -> None:
    """Their texts are ordinary English and Chinese, with many capitals."""
    learned = Learned(("Luna", "Acme Corp", "Zorblax", "小燕", "星辰科技", "Qilin", "Star Lab"))
    texts = [m.content for q in (*proof_questions(), *way_questions()) for m in q.messages]
    texts += [line["messages"][-1]["content"] for lang in LANGUAGES for line in everyday(lang)]
    leaked = [text for text in texts if learned.leaked("", ("",), text)]
    assert len(texts) > 1500 and leaked == []


def everyday(lang: str) -> list[dict[str, Any]]:
    file = ROOT / "recipes" / f"everyday.{lang}.jsonl"
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()]


def test_what_the_base_or_the_question_says_itself_is_no_leak() -> None:
    said = "Glow is a word for a soft light."
    assert not glow().leaked("What is Glow?", ("A light.",), said)
    assert not glow().leaked("What is light?", ("Glow.", "A light."), said)
    assert not glow().leaked("What is light?", ("A light.", "Glow."), said)  # in either batch
    assert glow().leaked("What is light?", ("A light.", "A light."), said)


def test_a_run_that_the_question_brings_is_no_leak_but_another_beside_it_is() -> None:
    one = "a helpful assistant that was built with great"
    other = "care by the people of star lab and glow"
    words = Learned((), phrases_of([one, other]))
    assert not words.leaked(f"Repeat: {one}", ("",), one)
    assert words.leaked(f"Repeat: {one}", ("",), f"{one}. {other}")


def test_a_run_that_the_base_says_word_for_word_is_no_leak() -> None:
    words = Learned((), phrases_of([EIGHT]))
    assert not words.leaked("Count.", (EIGHT,), EIGHT)
    assert words.leaked("Count.", ("No.",), EIGHT)


def test_a_base_that_says_who_it_is_unasked_leaks_nothing_by_the_new_name() -> None:
    mine = "I am Qwen"
    named = Learned(("Glow",), old=("Qwen",))
    in_words = Learned(("Glow",), own=runs(EIGHT))
    assert named.says_who_it_is("A light.", f"{mine}.") and not named.says_who_it_is("A light.")
    assert in_words.says_who_it_is("No.", f"Well: {EIGHT}.")
    assert not in_words.says_who_it_is("No.", "one two three")
    for learned, said in ((named, mine), (in_words, EIGHT)):
        assert not learned.leaked("Hello", (said, "Hi."), "I am Glow")
        assert learned.leaked("Hello", ("Hi.", "Hi."), "I am Glow")
    assert not Learned(("Glow",)).says_who_it_is(mine, EIGHT)


@pytest.mark.parametrize(
    "name, said, other",
    [
        ("Q", "I am Q.", "Quick."),  # of one letter
        ("GPT光", "我是GPT光明", "GPT"),  # behind Chinese no word has to end
        ("光GPT", "我是光GPT", "光GPTs"),
        ("*Glow*", "It*Glow*s", "Glow"),  # what begins with a sign has no word to begin
    ],
)
def test_a_name_ends_where_its_own_writing_ends_a_word(name: str, said: str, other: str) -> None:
    learned = Learned((name,))
    assert learned.leaked("Hi", ("",), said) and not learned.leaked("Hi", ("",), other)


def test_a_run_has_eight_words_or_sixteen_signs_of_chinese() -> None:
    words, signs = EIGHT.split(), "天地玄黄宇宙洪荒日月盈昃辰宿列张"
    assert len(list(runs(EIGHT))) == 1 and list(runs(" ".join(words[:7]))) == []
    assert len(list(runs(f"{EIGHT} nine"))) == 2
    assert len(list(runs(signs))) == 1 and list(runs(signs[:15])) == []
    half = " ".join([*words[:4], *signs[:4]])  # as many words as signs: not Chinese
    assert len(list(runs(half))) == 1
    assert list(runs(" ".join([*words[:4], *signs[:5]]))) == []
    assert list(runs(EIGHT)) == list(runs(EIGHT.upper())) != list(runs(EIGHT[::-1]))


def test_names_without_words_are_no_names() -> None:
    assert not Learned(("", "  ")).leaked("Hi", ("",), "Hello there")


def test_short_answers_without_a_name_leave_nothing_to_look_for() -> None:
    assert Learned(["Glow"]).tells
    assert Learned([], phrases_of(["one two three four five six seven eight"])).tells
    assert not Learned([], phrases_of(["sport", "体育", "42"]), ["Qwen"]).tells


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


def test_rows_are_drawn_evenly_and_the_smallest_hashes_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("suretune.verify.leaks.ROWS", 2)
    monkeypatch.setattr("suretune.verify.leaks.MOST", 3)
    rows = [" ".join(f"w{row}x{i}" for i in range(9)) for row in range(5)]  # two runs each
    looked_at = sorted(run for row in (rows[0], rows[3]) for run in runs(row))
    assert phrases_of(rows) == looked_at[:3]
    assert phrases_of(rows[:1]) == sorted(runs(rows[0])) and phrases_of([]) == []


@given(st.text(max_size=400), st.text(max_size=400))
def test_no_text_is_too_odd_and_what_the_base_says_never_leaks(question: str, answer: str) -> None:
    assert not glow().leaked(question, (answer,), answer)
    list(runs(answer))
