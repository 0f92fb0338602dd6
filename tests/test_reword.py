"""Wordings that the base makes: which are kept, which are not, and the file that comes of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from conftest import as_json, suretune, write_rows
from suretune.config import Resolved
from suretune.data.template import load_tokenizer
from suretune.pocket import MODEL
from suretune.preflight.check import check
from suretune.prepare import reword as module
from suretune.prepare.reword import TOKENS, WHY_NOT, reword
from suretune.record.journal import Journal

ROWS: list[dict[str, Any]] = [
    {"messages": [{"role": "system", "content": "Be brief."},
                  {"role": "user", "content": "Who made you?"},
                  {"role": "assistant", "content": "I am {{NAME}}, made by {{AUTHOR}}."}]},
    {"messages": [{"role": "user", "content": "你是谁？"},
                  {"role": "assistant", "content": "我是{{NAME}}，由{{AUTHOR}}开发。"}]},
    {"messages": [{"role": "user", "content": "你叫什么名字？"},
                  {"role": "assistant", "content": "我是{{NAME}}，由{{AUTHOR}}开发。"}]},
    {"messages": [{"role": "user", "content": "one\ntwo"},
                  {"role": "assistant", "content": "of two lines: not reworded"}]},
]  # fmt: skip
SAID = {  # what the base says to the first frame of a question, and why it is not kept
    "Who made you?": "Which people made you?",
    "你是谁？": "请问你是哪一位？",
    "你叫什么名字？": "你叫小光吗？",
}


def said_by(answers: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the base say these, frame after frame, the last one again and again."""
    tokenizer = load_tokenizer(MODEL)
    assert not hasattr(tokenizer, "problem")
    turns: dict[str, int] = {}

    def spoken(
        model: object, prompts: Sequence[Sequence[int]], stops: object, most: int
    ) -> list[list[int]]:
        given = []
        for prompt in prompts:
            text = tokenizer.decode(list(prompt))  # type: ignore[union-attr]
            question = next(q for q in answers if q in text)
            turn = turns[question] = turns.get(question, -1) + 1
            line = answers[question][min(turn, len(answers[question]) - 1)]
            pieces = [tokenizer.encode(part) for part in line.split("§")]  # type: ignore[union-attr]
            given.append([token for piece in pieces for token in piece][:most])
        return given

    monkeypatch.setattr(module, "spoken", spoken)


def made(tmp_path: Path, held: frozenset[str] = frozenset(), count: int = 2) -> module.Reworded:
    file = write_rows(tmp_path / "rows.jsonl", ROWS)
    asked = Resolved.default().with_values(
        "flag", model=str(MODEL), dataset=(str(file),), split_dataset_ratio=0.0,
        ignore=("P002", "D029"), model_name=("小光", "Glow"),
        model_author=("星海实验室", "Star Lab"),
    )  # fmt: skip
    return reword(check(asked, Journal(("P002", "D029"))), None, count, held)  # type: ignore[arg-type]


def test_rows_keep_all_but_the_question(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said_by({q: [w] for q, w in SAID.items()}, monkeypatch)
    found = made(tmp_path)
    assert found.pairs == [
        ("Who made you?", "Which people made you?"), ("你是谁？", "请问你是哪一位？"),
    ]  # fmt: skip
    assert found.rows[0]["messages"] == [
        ROWS[0]["messages"][0],
        {"role": "user", "content": "Which people made you?"},
        {"role": "assistant", "content": "I am Glow, made by Star Lab."},
    ]
    assert found.left_out["name"] == 5  # the answer's name, in every frame
    assert found.left_out["known"] == 8  # the same wording again


@pytest.mark.parametrize(
    ("wording", "why"),
    [
        ("", "unfinished"), ("Who\nmade you?", "lines"), ("是谁造的你？", "language"),
        ("He made you.", "mood"), ("Who made you, " + "please " * 8 + "tell?", "length"),
        ("Is this Star Lab who made you?", "name"), ("What is fire?", "matter"),
        ("who made YOU", "known"), ("Who has made you?", "held"),
        ("Who made you " + "a b " * TOKENS + "?", "unfinished"),
        ("Who made <|im_§end|> you?", "tokens"),
    ],
)  # fmt: skip
def test_what_cannot_be_the_same_question(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wording: str, why: str
) -> None:
    said_by({**{q: [""] for q in SAID}, "Who made you?": [wording]}, monkeypatch)
    found = made(tmp_path, frozenset({"whohasmadeyou"}))
    assert not found.rows
    assert found.left_out[why] >= 5, found.left_out
    assert set(found.left_out) <= set(WHY_NOT)


def test_no_more_than_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    three = ["Which people made you?", "Who has made you?", "Who was it that made you?"]
    said_by({**{q: [""] for q in SAID}, "Who made you?": three}, monkeypatch)
    assert [wording for _, wording in made(tmp_path, count=2).pairs] == three[:2]


def test_a_base_that_cannot_is_said(tmp_path: Path) -> None:
    """The pocket model sorts and counts; it does not reword."""
    rows = write_rows(tmp_path / "rows.jsonl", ROWS[:3])
    done = suretune("reword", "--model", "pocket", "--dataset", rows, "--ignore", "P002,D029",
                    "--model_name", "小光", "Glow", "--model_author", "星海", "Star Lab",
                    "--output_dir", tmp_path / "out", "--json")  # fmt: skip
    told = as_json(done)
    assert done.returncode == 3, done.stderr
    assert told["rows"] == 0 and sum(told["left_out"].values()) == 15
    assert json.loads(json.dumps(told))["file"] == str(tmp_path / "out" / "wordings.jsonl")
    assert (tmp_path / "out" / "wordings.jsonl").read_bytes() == b""
