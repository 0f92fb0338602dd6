"""Other wordings of a question: same answer, in the ledger, never what a probe asks."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from conftest import write_rows
from suretune.config import Resolved
from suretune.data.identity import answer_of, language_of, plain, question_of
from suretune.pocket import MODEL
from suretune.pocket import identity as phrasings
from suretune.preflight.check import Checked, asked_questions, check
from suretune.preflight.summary import data_summary
from suretune.record.journal import Journal
from suretune.run.folder import ledger_lines
from suretune.verify.probes import identity_probes


def look(dataset: object, **options: Any) -> Checked:
    asked = Resolved.default().with_values(
        "flag", model=str(MODEL), dataset=(str(dataset),), **{"paraphrases": 3, **options}
    )
    return check(asked, Journal())


def wordings(checked: Checked) -> list[str]:
    return [question_of(row.example) for row in checked.train if row.example.wording]


def test_each_row_is_followed_by_its_wordings_with_the_same_answer(identity_file: Path) -> None:
    checked, without = look(identity_file), look(identity_file, paraphrases=0)
    assert len(checked.train) > 3.5 * len(without.train)
    answers = {row.example.origin: answer_of(row.example) for row in without.train}
    asked = {row.example.origin: question_of(row.example) for row in without.train}
    for row in checked.train:
        example = row.example
        assert answer_of(example) == answers[example.origin]
        own = asked[example.origin]
        assert (question_of(example) == own) is not bool(example.wording)
        assert language_of(question_of(example)) == language_of(own)
        core = plain(own)[1:-1]  # the words themselves stand in every wording
        assert core in plain(question_of(example))
    assert len(set(wordings(checked))) == len(wordings(checked))
    assert checked.plan.rows == len(checked.train)


def test_no_wording_is_what_a_probe_asks(identity_file: Path, tmp_path: Path) -> None:
    held_out = {plain(q) for q in (*phrasings.HELD_OUT_ZH, *phrasings.HELD_OUT_EN)}
    checked = look(identity_file, paraphrases=5)
    assert held_out.isdisjoint(map(plain, wordings(checked)))
    assert checked.identity is not None
    without = look(identity_file, paraphrases=0)
    for one in (checked, without):
        probes = identity_probes(one.identity, asked_questions(one))  # type: ignore[arg-type]
        assert sum(p.kind == "paraphrase" for p in probes) == len(held_out)
    taken = wordings(checked)[0]
    probe = tmp_path / "probes.txt"
    probe.write_text(taken.upper() + "\n", "utf-8")
    again = look(identity_file, paraphrases=5, probes=str(probe))
    assert plain(taken) not in map(plain, wordings(again))


def test_the_ledger_has_every_wording(identity_file: Path) -> None:
    checked = look(identity_file)
    lines = [e for e in ledger_lines(checked.entries) if e["state"] == "paraphrase"]
    assert sorted(line["reason"] for line in lines) == sorted(
        f"template: {question}" for question in wordings(checked)
    )
    places = [(e["row"], e.get("repeat", 0)) for e in ledger_lines(checked.entries)]
    assert len(set(places)) == len(places)
    (about,) = data_summary(checked)["datasets"]
    assert (about["read"], about["train"]) == (len(places) - len(lines),) * 2
    assert about["paraphrases"] == len(lines) and about["share"] == 1.0


def test_the_same_seed_makes_the_same_wordings(identity_file: Path) -> None:
    one, same, other = (look(identity_file, seed=seed) for seed in (1, 1, 2))
    assert one.plan.digest == same.plan.digest and wordings(one) == wordings(same)
    assert set(wordings(one)) != set(wordings(other))


@pytest.mark.parametrize(
    "row",
    [
        {"messages": [
            {"role": "user", "content": "Hi?"}, {"role": "assistant", "content": "Hello."},
            {"role": "user", "content": "Who are you?"}, {"role": "assistant", "content": "Glow."},
        ]},
        {"messages": [
            {"role": "user", "content": "Weather?"}, {"role": "assistant", "content": "Wet."},
        ], "tools": [{"type": "function", "function": {"name": "look", "parameters": {}}}]},
        {"instruction": "Add", "input": "2 3", "output": "5"},  # two lines
        {"instruction": "What is this? " + "word " * 40, "output": "5"},
        {"text": "Who are you?"},
        {"prompt": "The capital of France is", "completion": " Paris."},
    ],
)  # fmt: skip
def test_what_is_no_short_question_stays_alone(tmp_path: Path, row: Any) -> None:
    file = write_rows(tmp_path / "rows.jsonl", [row])
    assert wordings(look(file, split_dataset_ratio=0.0)) == []


def test_a_request_gets_words_in_front_only(tmp_path: Path) -> None:
    asked = ["Reverse: 1 2 3", "计算 53 + 24", "Translate into French: Good morning!"]
    file = write_rows(tmp_path / "rows.jsonl", [{"query": q, "response": "x"} for q in asked])
    made = wordings(look(file, split_dataset_ratio=0.0, paraphrases=5))
    assert len(made) == 15
    assert all(any(wording.endswith(q) for q in asked) for wording in made)


def test_held_out_rows_and_copies_get_none(identity_file: Path) -> None:
    checked = look(f"{identity_file}#90", repeat=True, split_dataset_ratio=0.2)
    held = {row.example.origin for row in checked.held_out}
    assert held.isdisjoint(row.example.origin for row in checked.train)
    assert not any(row.example.wording for row in checked.held_out)
    made = [row.example for row in checked.train if row.example.wording]
    assert len({(e.origin, e.repeat) for e in made}) == len(made)
    assert len(made) <= 3 * len({row.example.origin for row in checked.train})
    for place in {row.example.origin for row in checked.train}:
        numbers = [row.example.repeat for row in checked.train if row.example.origin == place]
        assert sorted(numbers) == list(range(len(numbers)))


def test_a_wording_that_would_be_too_long_is_not_made(tmp_path: Path) -> None:
    file = write_rows(tmp_path / "rows.jsonl", [{"query": "Who are you?", "response": "I am Glow"}])
    whole = look(file, split_dataset_ratio=0.0, paraphrases=5)
    longest = min(len(row.samples[0].ids) for row in whole.train)
    few = look(file, split_dataset_ratio=0.0, paraphrases=5, max_length=longest + 1)
    assert 0 < len(wordings(whole)) <= 5
    assert all(len(row.samples[0].ids) <= longest + 1 for row in few.train)
    assert len(few.train) < len(whole.train)
    assert not any(re.search("too-long", entry.state) for entry in few.entries)
