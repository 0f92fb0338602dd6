"""The checkers against labels made by hand: real answers of small models, right or not.

One reader a sample made each label from a sheet of questions and answers, without check and
verdict, and did not bend it afterwards. Right is what does what was asked and does not take it
back. Half-right nonsense is wrong. A mistake in what nobody asked for (a year of birth) is none,
and of code only the code counts. `PUBLISHED` says how often checker and reader differ now, and
which way; a checker that changes has to publish its new figures. The figures below are the fresh
ones, before what both samples showed was mended: a refusal taken back in its own words, a work that
goes to an unknown second name, a price in peaches, "a machine, but not a machine", and in Chinese
who cannot stalk without being seen. Three English answers of each sample and a Chinese one of the
greedy sample are judged otherwise since.

**greedy**: what the proof sees, a model's likeliest answers within the proof's limits of tokens.
The 200 questions a language were drawn by a seed, in proportion to the categories, before any was
asked. English: SmolLM2-135M-Instruct, asked as the proof asks. Chinese: Gemma 3 270M, for want of a
small chat model that speaks Chinese; it is none, and was shown three or four examples of the
category, no hint. They differ on 10 of 200 (English) and 8 of 200 (Chinese): by chance alone 2.7 to
9.0 % and 2.0 to 7.7 %. Most of these answers are wrong, and plainly wrong ones are easily refused;
of those that reader or checker calls right they differ on 10 of 98 and on 8 of 38. Nearly all were
accepted too easily: a right word in nonsense, a second name beside the right one.

**hard**: what checkers find difficult, answers drawn from the models at temperatures. English:
SmolLM2's, at 0.3 to 0.8. Chinese: Gemma's and, for code, SmolLM2's, at 0.3 to 0.9, with examples
and often a hint, so that some are right (an answer that said the hint again as such was left out).
Up to half of each category passed the checkers when they were drawn, less where right answers had
run out: of forms, system prompts and conversations these figures tell little but that wrong answers
are refused. They differ on 10 and on 7, of 69 and 51 that one of the two calls right. Earlier hard
samples of 200 are not kept, as what they showed was mended: they differed on 10, 13, 15, 12, 6, 5
and 6 (English, the first of 199) and on 10, 17, 13, 6 and 11 (Chinese). Every fresh sample showed
kinds that none before it had shown: mending them has not brought the figure down.

**rest**: 200 of the English questions that the greedy sample had left, asked in the same way once
what the others showed had been mended: no better. They differ on 10 (2.7 to 9.0 %), 7 accepted, of
103 that either calls right; one label is the reader's own slip (code that does not run). Two were
mended after: "the second floor, which is the third floor", and "eaten" for "ate".

**coder** and **coder2**: a real chat model that speaks both languages, Qwen2.5-Coder-1.5B-Instruct
of a 4-bit file, asked as the proof asks: its likeliest answers within the limits of tokens. Two
hundred questions a language, then two hundred of those left, drawn as the greedy ones. The readers,
one a language and sample, were new to the battery and saw neither checks nor verdicts. Fresh,
before anything was mended, they differ on 4 and 2 of 200 in English (1 accepted and 3 refused; 2
and 0) and on 5 and 8 in Chinese (4 and 1; 5 and 3): 6 and 13 of 400, by chance alone 0.7 to 3.2 %
and 1.9 to 5.5 %; of those that either calls right 6 of 331 and 13 of 297. What has a kind was
mended: a share for an amount, an hour with minutes behind it, a word that is itself called
something else, a title that is its own author, builders by whom it was not built, quotes where no
signs were to be written, a list said again where it alone was asked for, and what condemns and
gives nothing. Now they differ on 3 and 1, 3 and 0 of the same: five matters of taste (Cleopatra,
chess, steamed eggs, fairy tales, "I have hunger"), mushrooms as plants, and a refusal that goes on
with a list of what not to do.

**drawn**: the same model's answers to 200 Chinese questions at temperature 0.7, read by another
such reader and judged once the above was mended, with nothing mended since: they differ on 8 (2.0
to 7.7 %), 5 accepted and 3 refused.

**prompted**: what it answers, greedily, under the prompt that the command of `init identity` gives.
137 English and 163 Chinese answers are other ones than without it: all of them were read, by two
more readers, once the above was mended, and nothing was mended since. They differ on 6 and 6 of
these; with the answers that are the same, labelled before, on 8 of 427 and 6 of 425: 1.9 and 1.4 %.

What the figures are worth: of the samples before, no reader was new to the battery. The hard
sample's had mended checks and labelled like answers before. The greedy sample's had read labels of
the hard one, to keep its measure, and before the Chinese sheet also where that sample and the
English sheet differ, with the checks. A reader's judgement of half-right nonsense varies by some
answers in a hundred.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from suretune.battery.checks import judge
from suretune.battery.items import Question, proof_questions

LABELS = Path(__file__).parent / "labels"
LEAST_LABELS = 200
LEAST_OF_EACH = 40  # of a hard sample's labels, and of the checker's verdicts on it


class Figures(NamedTuple):
    """Of one sample: how many answers. `right + accepted`: what reader or checker call right."""

    labels: int
    accepted: int  # by the checker, wrong by the reader
    refused: int  # by the checker, right by the reader
    right: int  # by the reader


HARD, GREEDY, REST = "hard", "greedy", "rest"
CODER, CODER2, DRAWN, PROMPTED = "coder", "coder2", "drawn", "prompted"
EVEN = (GREEDY, CODER, CODER2, DRAWN)  # drawn in proportion to the categories
PUBLISHED = {
    (HARD, "en"): Figures(
        labels=200,
        accepted=4,
        refused=3,
        right=62,
    ),
    (HARD, "zh"): Figures(
        labels=200,
        accepted=7,
        refused=0,
        right=44,
    ),
    (GREEDY, "en"): Figures(
        labels=200,
        accepted=7,
        refused=0,
        right=88,
    ),
    (GREEDY, "zh"): Figures(
        labels=200,
        accepted=6,
        refused=1,
        right=31,
    ),
    (REST, "en"): Figures(
        labels=200,
        accepted=5,
        refused=3,
        right=96,
    ),
    (CODER, "en"): Figures(
        labels=200,
        accepted=1,
        refused=2,
        right=169,
    ),
    (CODER, "zh"): Figures(
        labels=200,
        accepted=2,
        refused=1,
        right=145,
    ),
    (CODER2, "en"): Figures(
        labels=200,
        accepted=1,
        refused=0,
        right=159,
    ),
    (CODER2, "zh"): Figures(
        labels=200,
        accepted=0,
        refused=0,
        right=143,
    ),
    (DRAWN, "zh"): Figures(
        labels=200,
        accepted=5,
        refused=3,
        right=136,
    ),
    (PROMPTED, "en"): Figures(
        labels=427,
        accepted=4,
        refused=4,
        right=347,
    ),
    (PROMPTED, "zh"): Figures(
        labels=425,
        accepted=3,
        refused=3,
        right=297,
    ),
}

QUESTIONS = {question.id: question for question in proof_questions()}
Sample = tuple[str, str]


class Label(NamedTuple):
    """A real answer to a question of the battery, and whether a reader found it right."""

    question: Question
    answer: str
    right: bool


@cache
def labels_of(sample: Sample) -> tuple[Label, ...]:
    name, lang = sample
    lines = map(json.loads, (LABELS / f"{name}.{lang}.jsonl").read_text("utf-8").splitlines())
    own = tuple(Label(QUESTIONS[line["id"]], line["answer"], line["right"]) for line in lines)
    if name != PROMPTED:
        return own
    other = {label.question.id for label in own}  # its file has what the prompt changes alone
    both = (*labels_of((CODER, lang)), *labels_of((CODER2, lang)))
    return (*own, *(label for label in both if label.question.id not in other))


@cache
def verdicts_of(sample: Sample) -> tuple[bool | None, ...]:
    labels = labels_of(sample)
    return tuple(judge([one.question for one in labels], [one.answer for one in labels]))


every_sample = pytest.mark.parametrize("sample", PUBLISHED, ids=".".join)


def test_every_file_of_labels_has_published_figures() -> None:
    assert {tuple(file.stem.split(".")) for file in LABELS.glob("*.jsonl")} == set(PUBLISHED)


@every_sample
def test_checker_and_reader_differ_exactly_as_often_as_is_published(sample: Sample) -> None:
    labels, verdicts = labels_of(sample), verdicts_of(sample)
    both = list(zip(labels, verdicts, strict=True))
    different = [
        f"{label.question.id}: label {label.right}, checker {verdict}"
        for label, verdict in both
        if verdict is not label.right
    ]
    found = Figures(
        labels=len(labels),
        accepted=sum(verdict is True and not label.right for label, verdict in both),
        refused=sum(verdict is not True and label.right for label, verdict in both),
        right=sum(label.right for label in labels),
    )
    assert found == PUBLISHED[sample], "\n".join(different)
    assert len(different) == found.accepted + found.refused


@every_sample
def test_there_are_enough_labels_each_once_and_of_the_language_of_the_file(sample: Sample) -> None:
    labels = labels_of(sample)
    assert len(labels) >= LEAST_LABELS
    assert {label.question.lang for label in labels} == {sample[1]}
    assert len({(label.question.id, label.answer) for label in labels}) == len(labels)


@pytest.mark.parametrize("sample", [one for one in PUBLISHED if one[0] == HARD], ids=".".join)
def test_both_verdicts_occur_often_enough_by_hand_and_by_the_checkers(sample: Sample) -> None:
    for said in ([label.right for label in labels_of(sample)], verdicts_of(sample)):
        assert min(said.count(True), said.count(False)) >= LEAST_OF_EACH


@pytest.mark.parametrize("sample", [one for one in PUBLISHED if one[0] in EVEN], ids=".".join)
def test_a_greedy_sample_is_drawn_evenly_and_no_question_twice(sample: Sample) -> None:
    labels = labels_of(sample)
    assert len({label.question.id for label in labels}) == len(labels)
    asked = [question.category for question in QUESTIONS.values() if question.lang == sample[1]]
    drawn = [label.question.category for label in labels]
    for category in set(asked):
        share = asked.count(category) / len(asked)
        assert abs(drawn.count(category) - share * len(drawn)) < 1, category


@every_sample
def test_every_category_of_the_language_is_labelled(sample: Sample) -> None:
    lang = sample[1]
    asked = {question.category for question in QUESTIONS.values() if question.lang == lang}
    assert {label.question.category for label in labels_of(sample)} == asked


def test_no_question_is_in_two_samples_of_the_real_chat_model() -> None:
    for lang in ("en", "zh"):
        one, two = (
            {label.question.id for label in labels_of((name, lang))} for name in (CODER, CODER2)
        )
        assert not one & two
