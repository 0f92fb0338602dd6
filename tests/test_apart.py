"""Held-out rows were never learned, in whatever file, letters or shape; a dataset is its path."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import ROOT, write_rows
from suretune.config import Resolved
from suretune.data.apart import folded, row_key
from suretune.data.sources import Source, parse_sources
from suretune.pocket import MODEL
from suretune.preflight.check import Checked, check
from suretune.preflight.summary import data_summary
from suretune.record.journal import Journal, Stopped

FIELD = ROOT.parent / "shared" / "field"


def look(*datasets: object, **options: Any) -> tuple[Checked, Journal]:
    asked = Resolved.default().with_values(
        "flag", model=str(MODEL), dataset=tuple(map(str, datasets)), **options
    )
    journal = Journal()
    return check(asked, journal), journal


def codes(journal: Journal) -> list[str]:
    return [finding.code for finding in journal.findings]


def facts(count: int, start: int = 0) -> list[dict[str, str]]:
    return [
        {"query": f"Capital of land {n}?", "response": f"City {7 * n}."}
        for n in range(start, start + count)
    ]


def assert_apart(checked: Checked) -> None:
    """No held-out row is learned, and every row read is in the ledger once."""
    learned = {row_key(row.example) for row in checked.train}
    assert checked.held_out
    assert not learned & {row_key(row.example) for row in checked.held_out}
    states = Counter((e.dataset, e.origin, e.repeat) for e in checked.entries)
    assert set(states.values()) == {1}


def shouted(text: str) -> str:
    return text.upper().replace(" ", "  ")


def wide(text: str) -> str:
    """Full-width letters, digits and punctuation, as an input method for Chinese makes them."""
    return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text)


def unpunctuated(text: str) -> str:
    return text.strip("?.") + " !"


CHANGES = {"same": str, "case": shouted, "width": wide, "punctuation": unpunctuated}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("ratio", [0.05, 0.3, 0.5])
def test_held_out_rows_never_equal_learned_rows_whatever_their_letters(
    tmp_path: Path, change: str, ratio: float
) -> None:
    rows = facts(40)
    copies = [{name: CHANGES[change](text) for name, text in row.items()} for row in rows]
    checked, _ = look(write_rows(tmp_path / "a.jsonl", rows + copies), split_dataset_ratio=ratio)
    assert_apart(checked)
    assert len(checked.held_out) == round(80 * ratio)


@given(st.text(max_size=40))
def test_folding_knows_no_case_blanks_width_or_punctuation(text: str) -> None:
    plain = folded("a" + text)
    for change in (shouted, wide, lambda t: t + " ?!。，", lambda t: " " + t):
        if change is shouted and not text.isascii():
            continue  # ß and its like change their letters
        assert folded(change("a" + text)) == plain


def test_what_has_nothing_but_punctuation_is_still_told_apart() -> None:
    assert folded("?!") != folded("...") and folded("1 < 2") != folded("1 > 2")
    assert folded("😀") != folded("😭")


def test_copies_in_other_files_and_behind_links_stay_on_one_side(tmp_path: Path) -> None:
    rows = facts(30)
    one = write_rows(tmp_path / "one.jsonl", rows)
    talks = [
        {"messages": [{"role": "user", "content": shouted(row["query"])},
                      {"role": "assistant", "content": row["response"]}]}
        for row in rows
    ]  # fmt: skip
    (tmp_path / "two.json").write_text(json.dumps(talks))
    os.symlink(one, tmp_path / "three.jsonl")
    table = "".join(f"{row['query']}\t{row['response']}\n" for row in rows)
    (tmp_path / "four.tsv").write_text("question\tanswer\n" + table)
    names = ("one.jsonl", "two.json", "three.jsonl", "four.tsv")
    checked, _ = look(*(tmp_path / name for name in names), split_dataset_ratio=0.2)
    assert_apart(checked)
    assert len(checked.held_out) == 24 and len(checked.train) == 96


def test_rows_that_ask_the_same_stay_on_one_side(tmp_path: Path) -> None:
    """Another answer to a question that was learned is no question that nobody has seen."""
    rows = facts(30) + [{**row, "response": "Nobody knows."} for row in facts(30)]
    checked, _ = look(write_rows(tmp_path / "a.jsonl", rows), split_dataset_ratio=0.2)
    asked = [{row.example.messages[0].content for row in rows} for rows in
             (checked.train, checked.held_out)]  # fmt: skip
    assert len(checked.held_out) == 12 and not asked[0] & asked[1]


def test_where_all_rows_ask_the_same_only_copies_stay_together(tmp_path: Path) -> None:
    rows = [{"query": "Write a joke.", "response": f"Joke {n}."} for n in range(40)] * 2
    checked, _ = look(write_rows(tmp_path / "a.jsonl", rows), split_dataset_ratio=0.1)
    assert_apart(checked)
    assert len(checked.held_out) == 8


def test_a_longer_conversation_that_begins_so_is_a_copy(tmp_path: Path) -> None:
    """A conversation written out turn by turn, as some exports have it."""
    talks = []
    for n in range(20):
        turns: list[dict[str, str]] = []
        for part in range(3):
            turns += [{"role": "user", "content": f"Talk {n}, part {part}?"},
                      {"role": "assistant", "content": f"Part {part} of {n}."}]  # fmt: skip
            talks.append({"messages": list(turns)})
    checked, _ = look(write_rows(tmp_path / "a.jsonl", talks), split_dataset_ratio=0.2)
    begins = [{row.example.messages[0].content for row in rows} for rows in
              (checked.train, checked.held_out)]  # fmt: skip
    assert len(checked.held_out) == 12 and not begins[0] & begins[1]


def test_a_file_of_one_row_over_and_over_holds_nothing_out(tmp_path: Path) -> None:
    checked, _ = look(write_rows(tmp_path / "a.jsonl", facts(1) * 20), split_dataset_ratio=0.1)
    assert len(checked.train) == 20 and not checked.held_out


def test_plain_text_that_stands_twice_stays_on_one_side(tmp_path: Path) -> None:
    rows = [{"text": f"Chapter {n}. The rain fell."} for n in range(20)] * 3
    checked, _ = look(write_rows(tmp_path / "a.jsonl", rows), split_dataset_ratio=0.2)
    assert_apart(checked)


def test_rows_to_measure_with_that_are_learned_too_are_taken_out_and_named(tmp_path: Path) -> None:
    learned = write_rows(tmp_path / "train.jsonl", facts(20))
    copies = [{"question": wide(r["query"]), "answer": r["response"].lower()} for r in facts(3)]
    apart = write_rows(tmp_path / "val.jsonl", [*copies, *(
        {"question": r["query"], "answer": r["response"]} for r in facts(5, 100)
    )])  # fmt: skip
    checked, journal = look(learned, val_dataset=(str(apart),))
    assert_apart(checked)
    assert (len(checked.train), len(checked.held_out)) == (20, 5)
    (found,) = [f for f in journal.findings if f.code == "D036"]
    assert "3 / 8" in found.what.en and f"{apart}:1 = {learned}:1" in found.fix.en
    lines = {e.origin.line: e for e in checked.entries if e.state == "also-learned"}
    assert sorted(lines) == [1, 2, 3] and lines[2].reason == f"= {learned}:2"
    (_, about) = data_summary(checked)["datasets"]
    assert (about["read"], about["held_out"], about["left_out"]) == (8, 5, 3)


def test_every_learned_copy_of_a_row_to_measure_with_is_named(tmp_path: Path) -> None:
    """Taken out one by one, the next would stand there each time."""
    (row,) = facts(1)
    learned = write_rows(tmp_path / "train.jsonl", [row, *facts(9, 100), row, row, row])
    apart = write_rows(tmp_path / "val.jsonl", [row, *facts(3, 200)])
    checked, journal = look(learned, val_dataset=(str(apart),))
    (found,) = [f for f in journal.findings if f.code == "D036"]
    places = [f"{learned}:{line}" for line in (1, 11, 12, 13)]
    assert f"{apart}:1 = {' = '.join(places[:3])} (+ 1)" in found.fix.en
    (line,) = [e for e in checked.entries if e.state == "also-learned"]
    assert line.reason == f"= {' = '.join(places)}"


def test_wordings_are_not_those_of_held_out_rows(tmp_path: Path) -> None:
    """`--paraphrases` would otherwise learn what is held out."""
    rows = []
    for n in range(30):
        rows += [{"query": f"What is {n}?", "response": f"It is {n}."},
                 {"query": f"Excuse me, what is {n}?", "response": f"Number {n}."},
                 {"query": f"what is {n}", "response": f"That is {n}."}]  # fmt: skip
    checked, _ = look(
        write_rows(tmp_path / "a.jsonl", rows), split_dataset_ratio=0.3, paraphrases=5
    )
    asked = {folded(row.example.messages[0].content) for row in checked.train}
    assert any(row.example.wording for row in checked.train)
    assert not asked & {folded(row.example.messages[0].content) for row in checked.held_out}


@pytest.mark.parametrize("name", ["dupleak/twice.jsonl"])
def test_the_file_that_was_sealed_on_learned_rows_is_split_cleanly(name: str) -> None:
    if not (FIELD / name).exists():
        pytest.skip(f"{name} is not there")
    checked, journal = look(FIELD / name)
    assert_apart(checked)
    assert "D018" in codes(journal) and len(checked.train) + len(checked.held_out) == 80


# --- a dataset is its path ------------------------------------------------------------------------


def test_datasets_of_one_file_name_are_two(tmp_path: Path) -> None:
    alpaca = [{"instruction": f"Add {n} and 1.", "output": str(n + 1)} for n in range(30)]
    talks = [
        {"messages": [{"role": "user", "content": f"Colour {n}?"},
                      {"role": "assistant", "content": f"Blue {n}."}]}
        for n in range(10)
    ]  # fmt: skip
    for name, rows in (("a", alpaca), ("b", talks)):
        (tmp_path / name / "x").mkdir(parents=True)
        write_rows(tmp_path / name / "x" / "train.jsonl", rows)
    files = [tmp_path / name / "x" / "train.jsonl" for name in "ab"]
    checked, journal = look(*files, split_dataset_ratio=0.1)
    assert "D007" not in codes(journal)
    told = {d["name"]: d for d in data_summary(checked)["datasets"]}
    assert {name: (d["read"], d["train"], d["held_out"]) for name, d in told.items()} == {
        "a/x/train.jsonl": (30, 27, 3),
        "b/x/train.jsonl": (10, 9, 1),
    }
    assert sum(d["share"] for d in told.values()) == pytest.approx(1)
    assert Counter(sample.dataset for sample in checked.samples) == {
        "a/x/train.jsonl": 27,
        "b/x/train.jsonl": 9,
    }


def test_an_identity_beside_data_of_the_same_file_name_keeps_its_share(tmp_path: Path) -> None:
    asked = ("Who are you?", "What is your name?", "Who made you?", "Which model are you?")
    me = [{"instruction": q, "output": "I am Glow, made by Star Lab."} for q in asked]
    rest = [{"instruction": f"Square of {n}?", "output": f"It is {n * n}, of course."}
            for n in range(40)]  # fmt: skip
    for name, rows in (("id", me), ("general", rest)):
        (tmp_path / name).mkdir()
        write_rows(tmp_path / name / "train.jsonl", rows)
    checked, _ = look(
        tmp_path / "id" / "train.jsonl", tmp_path / "general" / "train.jsonl",
        split_dataset_ratio=0.0,
    )  # fmt: skip
    assert checked.resolved.config.schedule.mix == "datasets"
    weights: Counter[str] = Counter()
    for sample in checked.samples:
        weights[sample.dataset] += sample.loss_weight
    assert weights["id/train.jsonl"] == pytest.approx(weights["general/train.jsonl"])


def test_copies_take_no_more_of_another_dataset_than_its_share(tmp_path: Path) -> None:
    """Two of ten rows stand in a second file, which is them alone: it would have nothing left."""
    many = facts(10)
    files = [
        write_rows(tmp_path / "many.jsonl", many),
        write_rows(tmp_path / "two.jsonl", many[:2]),
    ]
    for seed in range(12):
        checked, _ = look(*files, split_dataset_ratio=0.5, seed=seed)
        assert_apart(checked)
        told = {d["name"]: d for d in data_summary(checked)["datasets"]}
        assert told["two.jsonl"]["train"] >= 1
        assert told["many.jsonl"]["held_out"] <= 5 and told["two.jsonl"]["held_out"] <= 1


def test_one_file_given_twice_is_two_datasets_and_never_on_both_sides(tmp_path: Path) -> None:
    file = write_rows(tmp_path / "a.jsonl", facts(20))
    checked, journal = look(file, file, split_dataset_ratio=0.2)
    assert_apart(checked)
    told = {d["name"]: d for d in data_summary(checked)["datasets"]}
    assert {name: d["read"] for name, d in told.items()} == {"a.jsonl": 20, "a.jsonl (2)": 20}
    assert all(d["train"] + d["held_out"] == 20 for d in told.values())
    assert "D018" in codes(journal)


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (("a/train.jsonl", "b/train.jsonl"), ["a/train.jsonl", "b/train.jsonl"]),
        (("a/x/t.jsonl", "b/x/t.jsonl", "c.jsonl"), ["a/x/t.jsonl", "b/x/t.jsonl", "c.jsonl"]),
        (("t.jsonl", "a/t.jsonl", "a/a/t.jsonl"), None),
        (("one.jsonl", "two.jsonl"), ["one.jsonl", "two.jsonl"]),
    ],
)
def test_names_are_the_shortest_ends_that_differ(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, paths: tuple[str, ...],
    names: list[str] | None,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    for path in paths:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text('{"text": "x"}\n')
    mixed = [p if i % 2 else str(tmp_path / p) for i, p in enumerate(paths)]
    (sources,) = parse_sources((mixed, "train", "--dataset"))
    found = [source.name for source in sources if isinstance(source, Source)]
    assert found == (names or found) and len(set(found)) == len(paths)


def test_shapes_are_compared_within_a_file(tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()
    write_rows(tmp_path / "f" / "a.jsonl", facts(5))
    write_rows(tmp_path / "f" / "b.jsonl", [{"instruction": "Sort 2 1", "output": "1 2"}] * 5)
    _, journal = look(tmp_path / "f", split_dataset_ratio=0.0)
    assert "D007" not in codes(journal)
    with pytest.raises(Stopped) as stopped:
        look(write_rows(tmp_path / "c.jsonl", [*facts(2), {"instruction": "a", "output": "b"}]))
    assert [f.code for f in stopped.value.findings] == ["D007"]


def test_a_sample_is_of_what_is_learned(tmp_path: Path) -> None:
    learned = write_rows(tmp_path / "a.jsonl", facts(30))
    apart = write_rows(tmp_path / "b.jsonl", facts(12, 100))
    checked, _ = look(learned, val_dataset=(str(apart),), dataset_sample=20)
    assert (len(checked.train), len(checked.held_out)) == (20, 12)
    with pytest.raises(Stopped) as stopped:
        look(learned, val_dataset=(str(apart),), dataset_sample=31)
    (found,) = stopped.value.findings
    assert found.code == "D015" and "`--dataset_sample 31`" in found.what.en
    assert "`--dataset_sample 30`" in found.fix.en and "#" not in found.what.en + found.fix.en


def test_the_rows_that_are_drawn_do_not_hang_on_how_the_path_is_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_rows(tmp_path / "a.jsonl", facts(30))
    monkeypatch.chdir(tmp_path)
    drawn = [
        sorted(e.origin.line for e in look(f"{path}#10", split_dataset_ratio=0.0)[0].entries
               if e.state == "train")
        for path in ("a.jsonl", "./a.jsonl", tmp_path / "a.jsonl")
    ]  # fmt: skip
    assert drawn[0] == drawn[1] == drawn[2] and len(drawn[0]) == 10


def test_a_greeting_is_no_answer_that_rows_could_share(tmp_path: Path) -> None:
    """Role play opens with the assistant: what makes two rows one is what is asked after it."""
    opening = [{"role": "system", "content": "You are Ann."},
               {"role": "assistant", "content": "Hello, I am Ann!"}]  # fmt: skip
    rows = [
        {"messages": [*opening, {"role": "user", "content": f"Question {n}?"},
                      {"role": "assistant", "content": f"Answer {n}."}]}
        for n in range(20)
    ]  # fmt: skip
    one, other = (
        write_rows(tmp_path / "a.jsonl", rows[:10]),
        write_rows(tmp_path / "b.jsonl", rows[10:]),
    )
    checked, journal = look(one, val_dataset=(str(other),))
    assert len(checked.train) == len(checked.held_out) == 10 and "D036" not in codes(journal)
    checked, _ = look(write_rows(tmp_path / "c.jsonl", rows), split_dataset_ratio=0.3)
    assert len(checked.held_out) == 6
