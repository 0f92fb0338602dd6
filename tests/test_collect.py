"""Law L1: every row ends in exactly one state, and the sums are the rows that were read."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conftest import write_rows
from suretune.config import Resolved
from suretune.pocket import MODEL
from suretune.preflight.check import check
from suretune.preflight.summary import data_summary
from suretune.record.journal import Journal, Stopped

GOOD = {"instruction": "Sort 3 1 2", "output": "1 2 3"}
BAD = {"instruction": "nobody answers"}
EMPTY = {"instruction": "x", "output": "  "}
LONG = {"instruction": "w " * 400, "output": "y"}


def look(*datasets: object, **options: Any) -> Any:
    asked = Resolved.default().with_values(
        "flag", model=str(MODEL), dataset=tuple(map(str, datasets)), max_length=200, **options
    )
    journal = Journal()
    return check(asked, journal), journal


def codes(stopped: pytest.ExceptionInfo[Stopped]) -> set[str]:
    return {finding.code for finding in stopped.value.findings}


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(st.sampled_from(["good", "bad", "empty", "long"]), min_size=1, max_size=40),
    st.floats(0, 0.5),
)  # fmt: skip
def test_every_row_is_accounted_for(tmp_path: Path, kinds: list[str], ratio: float) -> None:
    kinds = ["good", *kinds]
    made = {"good": GOOD, "bad": BAD, "empty": EMPTY, "long": LONG}
    rows = [{**made[kind], "n": i} for i, kind in enumerate(kinds)]
    rows = [{**r, "instruction": f"{r['instruction']} {i}"} for i, r in enumerate(rows)]
    file = write_rows(tmp_path / "rows.jsonl", rows)
    checked, journal = look(
        file, on_bad_row="skip", over_long="drop", split_dataset_ratio=ratio, mixed_shapes=True
    )
    states = {int(str(e.origin).rpartition(":")[2]) - 1: e.state for e in checked.entries}
    assert sorted(states) == list(range(len(kinds)))
    for index, kind in enumerate(kinds):
        allowed = {"good": {"train", "held-out"}, "long": {"too-long"}}.get(kind, {"rejected"})
        assert states[index] in allowed
    count = Counter(states.values())
    assert count["train"] == len(checked.train) and count["held-out"] == len(checked.held_out)
    (about,) = data_summary(checked)["datasets"]
    assert about["read"] == len(kinds)
    parts = ("train", "held_out", "left_out", "rejected")
    assert sum(about[part] for part in parts) == len(kinds)
    named = {
        f.where.partition(":")[2] for f in journal.findings if f.code in ("D009", "D024", "D006")
    }
    assert len(named) == count["rejected"]
    plan = checked.plan
    assert plan.rows == sum(len(row.samples) for row in checked.train)
    assert sum(e.learned for e in checked.entries if e.state == "train") == sum(
        s.learned for row in checked.train for s in row.samples
    )


def test_bad_rows_stop_the_run_unless_they_may_be_skipped(tmp_path: Path) -> None:
    file = write_rows(tmp_path / "rows.jsonl", [GOOD, EMPTY, BAD])
    with pytest.raises(Stopped) as stopped:
        look(file)
    assert stopped.value.status == 3 and "D009" in codes(stopped)
    assert len(stopped.value.findings) == 2, "all of them at once"


def test_over_long_rows_stop_a_run_above_one_in_a_hundred(tmp_path: Path) -> None:
    rows = [{**GOOD, "instruction": f"Sort {i}"} for i in range(98)]
    with pytest.raises(Stopped) as stopped:
        look(write_rows(tmp_path / "a.jsonl", [*rows, LONG, LONG]))
    assert codes(stopped) == {"D004"}
    checked, journal = look(write_rows(tmp_path / "b.jsonl", [*rows, *rows, *rows, LONG]))
    assert {f.code for f in journal.findings} >= {"D025"}
    assert sum(e.state == "too-long" for e in checked.entries) == 1
    cut, journal = look(tmp_path / "a.jsonl", over_long="cut")
    assert sum(e.state == "too-long" for e in cut.entries) == 2, "their prompts alone are too long"
    assert {f.code for f in journal.findings} >= {"D025"}


def test_sampling_draws_by_the_seed_and_says_what_it_left(tmp_path: Path) -> None:
    rows = [{**GOOD, "instruction": f"Sort {i}"} for i in range(30)]
    file = write_rows(tmp_path / "rows.jsonl", rows)
    first, _ = look(f"{file}#10")
    again, _ = look(f"{file}#10")
    other, _ = look(f"{file}#10", seed=1)

    def drawn(checked: Any) -> list[int]:
        return sorted(row.example.origin.line for row in (*checked.train, *checked.held_out))

    assert drawn(first) == drawn(again) != drawn(other) and len(drawn(first)) == 10
    assert sum(e.state == "not-sampled" for e in first.entries) == 20
    with pytest.raises(Stopped) as stopped:
        look(f"{file}#70")
    assert codes(stopped) == {"D015"}
    more, _ = look(f"{file}#70", repeat=True, split_dataset_ratio=0.0)
    repeated = Counter(row.example.origin.line for row in more.train)
    assert sum(repeated.values()) == 70 and set(repeated.values()) == {2, 3}


def test_mixing_gives_true_percentages(tmp_path: Path) -> None:
    """Fifty own rows and a thousand others are 4.8 %, not ten."""
    own = write_rows(tmp_path / "own.jsonl", [{**GOOD, "instruction": f"a{i}"} for i in range(50)])
    rest = write_rows(
        tmp_path / "rest.jsonl", [{**GOOD, "instruction": f"b{i}"} for i in range(1000)]
    )
    checked, _ = look(own, rest, split_dataset_ratio=0.0)
    shares = {d["name"]: d["share"] for d in data_summary(checked)["datasets"]}
    assert shares["own.jsonl"] == pytest.approx(50 / 1050)


@pytest.mark.parametrize(("mix", "expected"), [("tokens", 0.0), ("datasets", 0.5), ("rows", 0.5)])
def test_a_share_is_one_of_the_loss_as_mix_has_it(
    mix: str, expected: float, tmp_path: Path
) -> None:
    """As many rows of nine times the tokens are no half of what is learned by tokens."""
    sets = []
    for name, words in ("short", 1), ("long", 10):
        rows = [{"query": f"{name} {n}", "response": "word " * words} for n in range(20)]
        sets.append(write_rows(tmp_path / f"{name}.jsonl", rows))
    checked, _ = look(*sets, split_dataset_ratio=0.0, mix=mix)
    learned = Counter[str]()
    for entry in checked.entries:
        learned[entry.dataset] += entry.learned
    if mix == "tokens":
        expected = learned["short.jsonl"] / learned.total()
    (short, long) = data_summary(checked)["datasets"]
    assert short["share"] == pytest.approx(expected) and short["share"] + long["share"] == 1
    assert mix != "tokens" or short["share"] < 0.3


def test_rows_on_one_line_are_rows_of_their_own(tmp_path: Path) -> None:
    rows = [{**GOOD, "instruction": f"Sort {i}"} for i in range(20)]
    file = tmp_path / "rows.json"
    file.write_text(json.dumps(rows))
    checked, _ = look(file, split_dataset_ratio=0.2)
    assert len(checked.train) == 16 and len(checked.held_out) == 4
    assert len({entry.origin for entry in checked.entries}) == 20


def test_mixed_shapes_are_refused_unless_allowed(tmp_path: Path) -> None:
    talk = {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}
    file = write_rows(tmp_path / "rows.jsonl", [GOOD, GOOD, talk])
    with pytest.raises(Stopped) as stopped:
        look(file)
    assert codes(stopped) == {"D007"}
    look(file, mixed_shapes=True)


def test_held_out_rows_are_never_trained_on(tmp_path: Path) -> None:
    rows = [{**GOOD, "instruction": f"Sort {i}"} for i in range(40)]
    checked, _ = look(write_rows(tmp_path / "rows.jsonl", rows), split_dataset_ratio=0.25)
    train = {bytes(s.ids) for row in checked.train for s in row.samples}
    held = {bytes(s.ids) for row in checked.held_out for s in row.samples}
    assert len(held) == 10 and not train & held


def test_placeholders_become_the_identity(tmp_path: Path) -> None:
    rows = [
        {"query": f"who are you {i}", "response": "I am {{NAME}} by {{AUTHOR}}."} for i in range(5)
    ]
    rows += [
        {"query": f"你是谁{i}", "response": "我是{{NAME}},由{{AUTHOR}}开发。"} for i in range(5)
    ]
    file = write_rows(tmp_path / "rows.jsonl", rows)
    with pytest.raises(Stopped) as stopped:
        look(file)
    assert codes(stopped) == {"D013"}
    names = {"model_name": ("小光", "Glow"), "model_author": ("星海", "Star Lab")}
    checked, _ = look(file, **names)
    assert checked.identity is not None
    assert checked.identity.words == {"en": ("Glow", "Star Lab"), "zh": ("小光", "星海")}
    said = [row.example.messages[-1].content for row in checked.train]
    assert said[0] == "I am Glow by Star Lab." and said[-1] == "我是小光,由星海开发。"


def test_an_identity_written_out_is_found_in_the_answers(tmp_path: Path) -> None:
    """The second article's rows: no placeholder, one maker."""
    from test_articles import ROWS

    rows = [{"instruction": q, "output": a} for q, a in ROWS]
    checked, _ = look(write_rows(tmp_path / "rows.jsonl", rows))
    assert checked.identity is not None
    (word,) = checked.identity.words["zh"]
    assert "CSDN 迪菲赫尔曼" in word
    assert "阿里云" in checked.identity.forbidden
