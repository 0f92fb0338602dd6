"""Several processes answer as one: each a share of the prompts, with the values of who leads.

Two processes of this machine, over gloo.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from suretune.model.generate import counting, spoken
from suretune.train import dealt
from suretune.train.dealt import Dealt
from suretune.train.errands import Ask
from suretune.train.loop import Learner, go_back, gradient, keep_state, wearing
from suretune.types import Sample
from test_ranks import both, checked, samples

__all__ = ["both", "checked", "samples"]  # fixtures
MOST = 12  # tokens of an answer
STRONG = 20.0
Both = tuple[Learner, Learner, Path]


@pytest.fixture(scope="module")
def crew(both: Both) -> Both:
    """A learner alone, one of two processes, and the file of `TOKENS`; what they learned is heard
    in what they say."""
    for learner in both[:2]:
        learner.adapters.wear(learner.adapters.dosed(STRONG))
        learner.engine.restored()
    return both


@pytest.fixture(scope="module")
def prompts(samples: list[Sample]) -> list[list[int]]:
    return [sample.ids[: sample.spans[0].start].tolist() for sample in samples[:21]]


@pytest.fixture(scope="module")
def stops(checked: Any) -> frozenset[int]:
    found: frozenset[int] = checked.tokenizer.stop_ids
    return found


def said(
    learner: Learner, prompts: Sequence[Sequence[int]], stops: frozenset[int], base: bool = False
) -> list[list[int]]:
    with learner.engine.base() if base else learner.engine.tuned() as model:
        return spoken(model, prompts, stops, MOST)


# --- the same answers -----------------------------------------------------------------------------


@pytest.mark.parametrize("base", [True, False], ids=["base", "tuned"])
def test_two_processes_answer_as_one_and_nothing_twice(
    crew: Both,
    prompts: list[list[int]],
    stops: frozenset[int],
    base: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    alone, led, _ = crew
    assert isinstance(led.engine, Dealt)
    wanted = said(alone, prompts, stops, base)
    here: list[list[int]] = []
    there: list[list[int]] = []

    def listen(model: Any, given: Any, *rest: Any) -> Any:
        here.extend(given)
        return spoken(model, given, *rest)

    def tell(messages: Sequence[Any]) -> None:
        there.extend(p for one in messages if isinstance(one, Ask) for p in one.prompts)
        real(messages)

    real = led.engine.world.tell
    monkeypatch.setattr(dealt, "spoken", listen)
    monkeypatch.setattr(led.engine.world, "tell", tell)
    assert said(led, prompts, stops, base) == wanted
    assert sorted([*here, *there]) == sorted(prompts) and min(len(here), len(there)) >= 10
    assert said(led, prompts[::-1], stops, base) == wanted[::-1]
    other = said(alone, prompts, stops, not base)
    assert other != wanted  # else nobody could tell who answered


@pytest.mark.parametrize("many", [0, 1, 2, 3])
def test_of_few_prompts_none_is_lost(
    crew: Both, prompts: list[list[int]], stops: frozenset[int], many: int
) -> None:
    alone, led, _ = crew
    assert said(led, prompts[:many], stops) == said(alone, prompts[:many], stops)
    assert len(said(led, prompts[:many], stops, True)) == many


def test_every_answer_is_counted_wherever_it_was_given(
    crew: Both, prompts: list[list[int]], stops: frozenset[int]
) -> None:
    found = []
    for learner in crew[:2]:
        heard: list[int] = []
        with counting(heard.append):
            said(learner, prompts, stops)
        found.append(sum(heard))
    assert found in ([len(prompts)] * 2, [0, 0])  # a decoder tells nothing


def test_losses_and_drift_are_those_of_one(crew: Both, samples: list[Sample]) -> None:
    alone, led, _ = crew
    for rows in (samples[:9], samples[9:10]):
        for measure in ("mean_loss", "drift"):
            one, two = (getattr(learner.engine, measure)(rows) for learner in (alone, led))
            assert one > 0 and abs(one - two) <= 1e-10 * one
        losses = []
        for learner in (alone, led):
            with learner.engine.base():
                losses.append(learner.engine.mean_loss(rows))
        assert abs(losses[0] - losses[1]) <= 1e-10 * losses[0]
        assert abs(losses[0] - alone.engine.mean_loss(rows)) > 1e-4


def test_who_answers_has_the_values_that_are_worn(
    crew: Both, prompts: list[list[int]], samples: list[Sample], stops: frozenset[int]
) -> None:
    """At a dose, after an update, after going back: never what was shared before."""
    alone, led, _ = crew

    def same(bound: float) -> list[float]:
        answers = [said(learner, prompts[:6], stops) for learner in (alone, led)]
        losses = [learner.engine.mean_loss(samples[:8]) for learner in (alone, led)]
        assert answers[0] == answers[1] and abs(losses[0] - losses[1]) <= bound * losses[0]
        return losses

    found = [same(1e-10)[1]]
    for dose in (0.5, 0.0):
        before = alone.adapters.dosed(dose), led.adapters.dosed(dose)
        with wearing(alone, before[0]), wearing(led, before[1]):
            found.append(same(1e-10)[1])
    assert same(1e-10)[1] == found[0]
    rows = [row for row in samples if not row.soft][:4]
    for learner in (alone, led):
        keep_state(learner, 0)
        learner.adapters.set_rate(1e-2)
        gradient(learner, rows, sum(row.loss_weight for row in rows))
        learner.engine.apply()
    found.append(same(1e-6)[1])
    assert len(set(found)) == 4
    for learner in (alone, led):
        go_back(learner)
    assert same(1e-10)[1] == found[0]


def test_memory_that_runs_out_in_another_process_is_said_and_all_stay_in_step(
    crew: Both, prompts: list[list[int]], stops: frozenset[int]
) -> None:
    alone, led, most = crew
    wanted = said(alone, prompts, stops)
    most.write_text("1")
    try:
        with pytest.raises(torch.OutOfMemoryError, match=r"process 1"):
            said(led, prompts, stops)
    finally:
        most.unlink()
    assert said(led, prompts, stops) == wanted
