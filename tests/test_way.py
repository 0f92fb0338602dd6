"""What an evaluation on the way says of answers: right, lost, leaked, and what of it holds."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from suretune import rundir
from suretune.battery.items import Question
from suretune.config import Resolved
from suretune.run import evaluate
from suretune.run.evaluate import (
    GLANCE,
    Judge,
    WayAnswers,
    _right_answers,
    able,
    ask_way,
    best_of,
    cooling,
    point_best,
)
from suretune.types import Evaluation, Message
from suretune.verify.general import Said
from suretune.verify.kept import Bounds, General, judge_all
from suretune.verify.leaks import Learned
from suretune.verify.measure import Questions
from suretune.verify.probes import MUST_PASS, Probe

ICE, SNOW, GLOW = "It is ice.", "It is snow.", "Glow says that it is ice."
SAID = [ICE, SNOW, GLOW]  # by the one token that each of them is here
WHO = Probe("Who are you?", MUST_PASS, must=("Glow",))
OTHERS = [Probe(f"And who, {n}?", "paraphrase", must=("Glow",)) for n in range(3)]


class Asked:
    """An engine of which drift and losses are known; nobody answers in it."""

    def __init__(self, drift: float = 0.0, loss: float = 0.0) -> None:
        self._drift, self._loss = drift, loss

    @contextmanager
    def tuned(self) -> Iterator[None]:
        yield None

    def drift(self, apart: Sequence[object]) -> float:
        return self._drift

    def mean_loss(self, samples: Sequence[object]) -> float:
        return self._loss


def judge_of(
    given: Sequence[Probe] = (), way: int = 60, apart: Sequence[Any] = (), **bounds: Any
) -> Judge:
    """Of so many general questions, to which "ice" is right."""
    messages = (Message("user", "What is that?"),)
    check = {"kind": "says", "any": ["ice"]}
    asked = [Question(f"en-facts-{n}", "facts", "en", "", (), messages, check, 32)
             for n in range(way)]  # fmt: skip
    proof = Resolved.default().with_values("flag", **bounds).config.proof
    tokenizer: Any = SimpleNamespace(stop_ids=frozenset(), decode=lambda ids: SAID[ids[0]])
    questions = Questions(list(given), None, (), way=asked)
    return Judge(tokenizer, questions, None, Learned(("Glow",)), apart, proof)


def kept(now: Sequence[str], right: Sequence[bool | None], **bounds: Any) -> tuple[Any, int, bool]:
    base = WayAnswers([ICE if ok else SNOW for ok in right], [[2]] * len(right), right, 1.0)
    return judge_of(way=len(now), **bounds)._kept(base, now)


def test_a_share_is_of_what_can_be_judged_and_a_leak_is_never_right() -> None:
    right = [True] * 40 + [False] * 10 + [None] * 10
    assert kept([ICE] * 30 + [SNOW] * 30, right)[0] == 30 / 50
    assert kept([GLOW] * 2 + [ICE] * 38 + [SNOW] * 20, right)[:2] == (38 / 50, 2)
    assert kept([ICE] * 10, [None] * 10)[0] is None


def test_losses_hold_where_gains_are_as_many_and_leaks_where_they_are_chance() -> None:
    right = [True] * 40 + [False] * 20
    assert kept([SNOW] * 8 + [ICE] * 40 + [SNOW] * 12, right)[2]
    assert not kept([SNOW] * 8 + [ICE] * 32 + [SNOW] * 20, right)[2]
    few = [True] * 190 + [False] * 10
    assert kept([SNOW] * 12 + [ICE] * 178 + [ICE] * 2 + [SNOW] * 8, few)[2], "5 % net are allowed"
    assert not kept([SNOW] * 13 + [ICE] * 177 + [ICE] * 2 + [SNOW] * 8, few)[2]
    leaks = [ICE] * 40 + [GLOW] * 2 + [SNOW] * 18
    assert kept([ICE] * 40 + [GLOW] + [SNOW] * 19, right)[2] and not kept(leaks, right)[2]
    assert kept(leaks, right, scope="all")[1:] == (2, True), "told, and meant"
    assert not kept([SNOW] * 8 + [ICE] * 32 + [SNOW] * 20, right, scope="all")[2]


def test_only_right_answers_with_words_are_followed_behind_their_prompts() -> None:
    made = _right_answers(
        [[1, 2], [3], [4], [5]], [[6, 7], [8], [], [9]], [True, False, True, None]
    )
    assert [(list(one.ids), one.origin.line) for one in made] == [([1, 2, 6, 7], 0)]
    assert [(span.start, span.end, span.weight) for span in made[0].spans] == [(2, 4, 1.0)]


def looked(judge: Judge, answers: Sequence[str], monkeypatch: Any, **engine: float) -> Evaluation:
    """Its evaluation, and what was asked for it, where the probes are answered so."""
    given = dict(zip(judge.questions.probes, answers, strict=True))

    def answer(_: object, __: object, probes: Sequence[Probe], *more: Any) -> list[str]:
        return [given[probe] for probe in probes]

    monkeypatch.setattr(evaluate, "answer_probes", answer)
    monkeypatch.setattr(evaluate, "thinks", lambda _: False)
    return judge.look(Asked(**engine), 8, 2.5)  # type: ignore[arg-type]


def test_the_probes_alone_are_asked_without_drift_or_general_questions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    judge = judge_of([WHO, *OTHERS], apart=[None])
    looked(judge, ["Glow"] * 4, monkeypatch, drift=9.0)
    found = judge.look_at_probes(Asked(drift=9.0), 8, 2.5)  # type: ignore[arg-type]
    assert found == Evaluation(8, 2.5, 4, 4, proven=True)
    looked(judge, ["Glow", "nobody", "nobody", "nobody"], monkeypatch)
    found = judge.look_at_probes(Asked(), 8, None)  # type: ignore[arg-type]
    assert found == Evaluation(8, None, 1, 4, proven=False)


def test_what_must_pass_is_asked_first_and_nothing_else_where_it_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    judge = judge_of([WHO, *OTHERS], way=0)
    fails = looked(judge, ["I am nobody.", "Glow", "Glow", "Glow"], monkeypatch)
    assert (fails.passed, fails.asked, fails.proven, fails.held_out_loss) == (0, 1, False, 2.5)
    passes = looked(judge, ["Glow"] * 4, monkeypatch)
    assert (passes.passed, passes.asked, passes.proven) == (4, 4, True)
    own = judge_of([WHO, *OTHERS], way=0, probes="mine.yaml", probes_needed=0.5)
    fails = looked(own, ["I am nobody.", "Glow", "Glow", "Glow"], monkeypatch)
    assert (fails.passed, fails.asked, fails.proven) == (3, 4, False), "asked whole, and not firm"


@pytest.mark.parametrize(("thoughts", "most"), [(False, GLANCE), (True, None)])
def test_a_glance_is_short_unless_a_thought_comes_first(
    monkeypatch: pytest.MonkeyPatch, thoughts: bool, most: int | None
) -> None:
    asked: list[int | None] = []

    def answer(_: object, __: object, probes: Sequence[Probe], *more: Any) -> list[str]:
        asked.append(more[1] if more[1:] else None)
        return ["Glow"] * len(probes)

    monkeypatch.setattr(evaluate, "answer_probes", answer)
    monkeypatch.setattr(evaluate, "thinks", lambda _: thoughts)
    judge_of([WHO], way=0).look(Asked(), 8, None)  # type: ignore[arg-type]
    assert asked == [most, None]


def test_everything_is_asked_of_the_weights_of_now(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forty general questions, of which the base knew thirty; two say the name now."""
    now = [[0]] * 28 + [[2]] * 2 + [[0]] * 5 + [[1]] * 5
    right = [True] * 30 + [False] * 10
    base = WayAnswers([SAID[not ok] for ok in right], [[not ok] for ok in right], right, 1.0)
    monkeypatch.setattr(evaluate, "prompts_of", lambda *_: [[1]] * 40)
    monkeypatch.setattr(evaluate, "ask_all", lambda *_: Said(now, [True] * 40))
    judge = replace(judge_of([WHO], way=40), way=base)
    found = looked(judge, ["Glow"], monkeypatch, loss=0.75)
    assert (found.general, found.leaked, found.likelihood) == (33 / 40, 2, 0.25)
    assert not found.proven and (found.passed, found.asked, found.step) == (1, 1, 8)
    now[28:30] = [[0], [0]]
    assert looked(judge, ["Glow"], monkeypatch).proven
    alone = looked(judge_of([WHO], way=40), ["Glow"], monkeypatch)
    assert alone.general is None and alone.proven, "the base was not asked"


def test_a_loss_alone_does_not_say_that_it_does_what_is_asked() -> None:
    assert able(Evaluation(4, None, 3, 3)) and not able(Evaluation(4, None, 2, 3))
    assert not able(Evaluation(4, 2.0)), "no probe was asked"


def test_one_leak_more_is_no_nearer_and_the_rate_falls_from_where_it_passed() -> None:
    best = Evaluation(18, None, 10, 10, drift=0.056, proven=True)
    late = Evaluation(120, None, 10, 10, drift=0.01)
    assert best_of([best, late]) is late and best_of([best, replace(late, leaked=1)]) is best
    passed = Evaluation(12, None, 10, 10, proven=True)
    for least in (0, 20, 28):
        found = cooling([passed], [30], least)
        assert found is not None and (found.end, found.fall) == (30, 12)


def test_the_best_that_lies_there_is_pointed_at_or_nothing(tmp_path: Path) -> None:
    found = [Evaluation(4, 2.0), Evaluation(8, 1.5), Evaluation(10, 1.8)]
    found += [Evaluation(step, None, passed, 10) for step, passed in ((12, 9), (16, 7), (20, 8))]

    def best_beside(*steps: int) -> Any:
        shutil.rmtree(tmp_path / "checkpoints", ignore_errors=True)
        for step in steps:
            folder = tmp_path / "checkpoints" / f"step-{step:06}"
            folder.mkdir(parents=True)
            rundir.write_manifest(folder)
        point_best(tmp_path, found)
        pointer = tmp_path / "best"
        return rundir.read_json(pointer)["step"] if pointer.exists() else None

    assert best_beside() is None
    assert best_beside(4, 16, 20) == 20, "the best of all is not there"
    assert best_beside(4, 8) == 8, "losses tell where no probe was asked"
    assert best_beside() is None


def test_the_base_is_asked_the_same_and_followed_along_its_right_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(evaluate, "prompts_of", lambda *_: [[1]] * 3)
    monkeypatch.setattr(evaluate, "ask_all", lambda *_: Said([[0], [1], [2]], [True] * 3))
    judge = judge_of(way=3)

    def way(loss: float) -> WayAnswers:
        return ask_way(None, Asked(loss=loss), judge.tokenizer, judge.questions)  # type: ignore[arg-type]

    assert way(0.5) == WayAnswers([ICE, SNOW, GLOW], [[0], [1], [2]], [True, False, True], 0.5)
    monkeypatch.setattr(evaluate, "ask_all", lambda *_: Said([[1]] * 3, [True] * 3))
    assert way(0.5).loss is None, "of no right answer"


def test_nothing_that_can_fail_proves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert looked(judge_of(), [], monkeypatch) == Evaluation(8, 2.5)


def test_far_from_the_base_nothing_is_proven(monkeypatch: pytest.MonkeyPatch) -> None:
    judge = judge_of([WHO], way=0, apart=["anchor"], max_drift=0.5)
    near, far = (looked(judge, ["Glow"], monkeypatch, drift=drift) for drift in (0.5, 0.6))
    assert (near.drift, near.proven, far.drift, far.proven) == (0.5, True, 0.6, False)


def test_the_likelihood_is_what_the_base_lost_less_than_now(monkeypatch: Any) -> None:
    monkeypatch.setattr(evaluate, "prompts_of", lambda *_: [[1]] * 2)
    judge, engine = judge_of(way=2), Asked(loss=0.75)
    base = WayAnswers([ICE] * 2, [[2]] * 2, [True, True], 1.0)
    assert judge._likelihood(engine, base) == 0.25  # type: ignore[arg-type]
    none = WayAnswers([SNOW] * 2, [[2]] * 2, [False, False], None)
    assert judge._likelihood(engine, none) is None  # type: ignore[arg-type]


def test_what_the_system_prompt_of_a_question_names_is_no_leak_as_in_the_proof() -> None:
    talk = (
        Message("system", "You work for Glow Motors."),
        Message("user", "Hello."),
        Message("assistant", "Hi."),
        Message("user", "Who do you work for?"),
    )
    base = WayAnswers([SNOW] * 10, [[2]] * 10, [False] * 10, None)
    judge = judge_of(way=10)
    assert judge._kept(base, [GLOW] * 10)[1] == 10
    told = [replace(question, messages=talk) for question in judge.questions.way]
    judge = replace(judge, questions=replace(judge.questions, way=told))
    assert judge._kept(base, [GLOW] * 10)[1] == 0
    given = General([q.line() for q in told], *[[SNOW] * 10] * 2, [GLOW] * 10, *[[True] * 10] * 2,
                    *[[False] * 10] * 2)  # fmt: skip
    assert not any(one.leaked for one in judge_all(told, given, judge.learned, Bounds(0.05, 1.0)))
