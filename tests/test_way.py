"""What an evaluation on the way says of answers: right, lost, leaked, and what of it holds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from suretune.battery.items import Question
from suretune.config import Resolved
from suretune.run import evaluate
from suretune.run.evaluate import (
    Judge,
    WayAnswers,
    _right_answers,
)
from suretune.types import Evaluation, Message
from suretune.verify.leaks import Learned
from suretune.verify.measure import Questions
from suretune.verify.probes import MUST_PASS, Probe

ICE, SNOW, GLOW = "It is ice.", "It is snow.", "Glow says that it is ice."
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
    tokenizer: Any = type("Plain", (), {"stop_ids": frozenset(), "thinking": None})()
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
