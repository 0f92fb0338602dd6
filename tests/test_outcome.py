"""The first half of a report: what stands in each of its places."""

from __future__ import annotations

from typing import Any

import pytest

from suretune import words
from suretune.phrases import wilson
from suretune.verify import outcome
from suretune.verify.blocks import Answer, Charts, Drawing, Paragraph, Piece, Table
from suretune.verify.curves import interval


def section(report: dict[str, Any], name: str) -> Any:
    with words.speaking("en"):
        return next(one for one in outcome.outcome(report) if one.name == name)


def plain(pieces: Any) -> str:
    return "".join(piece.text for piece in pieces if isinstance(piece, Piece))


def a_probe(**more: Any) -> dict[str, Any]:
    return {"question": "Who are you?", "kind": "must-pass", "variant": "as-trained", **more}


def first(**more: Any) -> Any:
    return section({"probes": [a_probe(**more)]}, "answers").blocks[0]


def test_the_words_an_answer_must_have_are_told_one_or_several() -> None:
    one = first(must=["a"], must_not=["c", "d"])
    assert plain(one.required) == "must contain a · must contain none of c / d"
    assert plain(first(must=["a", "b"]).required) == "must contain at least one of a / b"
    assert plain(first(must_not=["c"]).required) == "must contain none of c"


@pytest.mark.parametrize(
    "before, passed, must, mark, style",
    [
        ("I am.", True, ["x"], "✓ passed", "good"),
        ("I am.", False, ["x"], "✗ failed", "bad"),
        ("I am.", None, ["x"], "not measured", "faint"),  # asked for, and not judged
        ("I am.", None, [], "· no requirement", "faint"),
        (None, True, ["x"], "not measured", "faint"),
        (None, None, [], "not measured", "faint"),
    ],
)
def test_a_mark_is_of_what_was_judged(
    before: str | None, passed: bool | None, must: list[str], mark: str, style: str
) -> None:
    given = first(before=before, passed_before=passed, must=must).before_mark
    assert (given.text, given.style) == (mark, style)


def test_an_empty_answer_is_no_missing_one() -> None:
    shown = first(before=" \n", after="x")
    assert plain(shown.before) == "(empty)" and plain(shown.after) == "x"
    assert plain(first(before="x").after) == "not measured"


def test_the_answers_stand_first_or_are_said_to_be_missing() -> None:
    assert isinstance(first(), Answer) and first().question == "Who are you?"
    missing = section({}, "answers").blocks
    assert len(missing) == 1 and isinstance(missing[0], Paragraph)


def test_every_question_stands_with_its_kind_its_words_and_what_a_failure_means() -> None:
    failed = a_probe(before="a", after="b", passed_after=False, must=["x"], if_fails="Ask Ann.")
    passed = a_probe(before="a", after="x", passed_after=True, must=["x"], if_fails="Ask Ann.")
    shown = {"question": "Sky?", "kind": "shown", "before": "a", "after": "b"}
    others = [{"question": "New?", "kind": "of later"}, {"question": "None?"}]
    table = section({"probes": [failed, passed, shown, *others]}, "questions").blocks[0]
    assert isinstance(table, Table) and table.prose
    assert [plain(row[0]) for row in table.rows] == [
        "Who are you?\nmust pass\nmust contain x\nAsk Ann.",
        "Who are you?\nmust pass\nmust contain x",
        "Sky?\nshown only",
        "New?\nof later",  # a kind that this version does not know
        "None?\n",
    ]


@pytest.mark.parametrize(
    "before, after, told",
    [(3.0, 1.5, "−1.5"), (1.0, 1.25, "+0.25"), (None, 1.0, "not measured"), (1.0, None, None)],
)
def test_the_held_out_loss_has_a_difference_where_both_were_measured(
    before: float | None, after: float | None, told: str | None
) -> None:
    facts = section({"held_out": {"before": before, "after": after}}, "held-out").blocks[0]
    assert plain(facts.rows[2][1]) == (told or "not measured")


@pytest.mark.parametrize(
    "passed, asked, told",
    [(18, 20, "18 of 20"), (0, 20, "0 of 20"), (0, 0, None), (None, 20, None), (3, None, None)],
)
def test_a_share_of_paraphrases_is_told_where_some_were_asked(
    passed: int | None, asked: int | None, told: str | None
) -> None:
    counts = {"passed": passed, "asked": asked}
    facts = section({"paraphrases": counts}, "paraphrases").blocks[0]
    line = facts.rows[0][1]
    assert plain(line).startswith(told) if told else plain(line) == "not measured"
    drawn = [one.svg for one in line if isinstance(one, Drawing)]
    if told and passed is not None and asked:
        low, high = wilson(passed, asked)
        assert drawn == [interval(low, passed / asked, high)]
    else:
        assert drawn == []


def test_signs_of_overfitting_stand_as_numbers_in_columns() -> None:
    held = {"least": 0.4, "step": 30, "kept": 0.5}
    table, losses = section({"overfitting": {"held_out": held}}, "overfitting").blocks
    assert table.numbers == {1, 2, 3}
    assert [plain(line) for _, line in losses.rows] == ["0.4 after update 30", "0.5"]


def curves(losses: list[float | None], **more: Any) -> list[Any]:
    steps = [{"step": n, "loss": y, "learning_rate": 1e-3 * n} for n, y in enumerate(losses, 1)]
    (charts,) = section({"steps": steps, **more}, "curves").blocks
    assert isinstance(charts, Charts)
    return list(charts.charts)


@pytest.mark.parametrize(
    "losses, said",
    [
        ([3.0, 2.0, 1.5], "3 → 1.5 · nats per learned token"),
        ([None, 2.0], "nats per learned token; ✗: NaN or Inf"),
        ([3.0, None], "nats per learned token; ✗: NaN or Inf"),
    ],
)
def test_a_curve_tells_its_ends_and_what_was_no_number(
    losses: list[float | None], said: str
) -> None:
    loss, rate, _ = curves(losses)
    assert loss.remark == said and rate.remark == f"peak {1e-3 * len(losses):.4g}"
    assert loss.wide and not rate.wide


def test_what_is_no_record_of_a_step_or_has_no_such_value_is_no_point_of_a_curve() -> None:
    steps: list[Any] = [{"step": 1, "loss": 3.0}, {"step": 2}, "odd", {"loss": 9.0}, {"step": "3"}]
    (charts,) = section({"steps": [*steps, {"step": 4, "loss": 2.0}]}, "curves").blocks
    assert charts.charts[0].remark == "3 → 2 · nats per learned token"


@pytest.mark.parametrize(
    "plan, loss, remark",
    [
        ({"held_out": 5, "eval_steps": [2]}, 1.0, "; ringed: held-out evaluations"),
        ({"held_out": 5, "eval_steps": [2]}, None, "; ringed: held-out evaluations; ✗: NaN or Inf"),
        ({"held_out": 5, "eval_steps": []}, None, "; held-out loss: not measured"),
        ({"held_out": 0, "eval_steps": [2]}, None, "; held-out loss: not measured"),
    ],
)
def test_a_held_out_loss_that_was_due_and_is_none_is_a_failure_and_no_other(
    plan: dict[str, Any], loss: float | None, remark: str
) -> None:
    evals = [{"step": 2, "held_out_loss": loss}]
    told = curves([3.0, 2.0], plan=plan, evals=evals)[0].remark
    assert told == f"3 → 2 · nats per learned token{remark}"
