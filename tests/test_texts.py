"""What texts hold that no format sees: found where it is, and not where it is not."""

from __future__ import annotations

import json

import pytest

from conftest import shared
from suretune.data.texts import is_broken, is_hidden, is_secret, text_facts
from suretune.run.starter import identity_rows
from suretune.types import Example, Message, Origin

LONG = "aB3dE6gH9jKlMnOpQrStUvWxYz0123456789"


@pytest.mark.parametrize("text", ["a \ufffd b", "锟斤拷", "cafÃ©", "Itâ€™s", "ä½\u00a0å¥½"])
def test_damage_is_found(text: str) -> None:
    assert is_broken(text)


@pytest.mark.parametrize(
    "text", ["plain", "café", "naïve – “quoted”", "你好，世界", "Ångström é ü", "ñ"]
)
def test_foreign_words_are_no_damage(text: str) -> None:
    assert not is_broken(text)


@pytest.mark.parametrize(
    "text", ["a\x1b[31mred", "x\u202egnp.exe", "\x07", "hi\U000e0041\U000e0042"]
)
def test_hidden_characters_are_found(text: str) -> None:
    assert is_hidden(text)


@pytest.mark.parametrize(
    "text",
    [
        "a\tb\r\nc",
        "👩\u200d💻",
        "می\u200cخواهم",
        "🏴\U000e0067\U000e0062\U000e007f",
        "\u200b",
        "שלום",
    ],
)
def test_what_people_write_is_not_hidden(text: str) -> None:
    assert not is_hidden(text)


@pytest.mark.parametrize(
    "text",
    [f"token hf_{LONG}", f"ghp_{LONG}", "AKIAIOSFODNN7EXAMPLE", f"sk-{LONG}", f"sk-proj-{LONG}",
     "-----BEGIN RSA PRIVATE KEY-----\nMII"],
)  # fmt: skip
def test_secrets_are_found(text: str) -> None:
    assert is_secret(text)


@pytest.mark.parametrize(
    "text",
    ["hf_hub_download", "hf_...", "sk-" + "x" * 40, "hf_" + "X" * 34, "risk-" + LONG,
     "sk-is-now-the-richest-person-in-the-world-passing-jeff-bezos-", "BEGIN PRIVATE KEY"],
)  # fmt: skip
def test_what_only_looks_like_one_is_no_secret(text: str) -> None:
    assert not is_secret(text)


def examples(rows: list[dict[str, str]]) -> list[Example]:
    return [
        Example(Origin("f", i), "f", "alpaca", (
            Message("user", r["instruction"]), Message("assistant", r["output"])))
        for i, r in enumerate(rows, 1)
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["demo", "alpaca_en_demo.jsonl", "alpaca_zh_demo.jsonl"])
def test_clean_rows_raise_nothing(name: str) -> None:
    if name == "demo":
        rows = identity_rows(("小光", "Glow"), ("星海实验室", "Star Lab"), ("zh", "en"))
    else:
        lines = shared(f"alpaca/{name}").read_text("utf-8").splitlines()
        rows = [json.loads(line) for line in lines]
    found = text_facts(examples(rows))
    assert (found.broken, found.hidden, found.secrets) == ((), (), ())
    assert found.answers == len(rows) and found.same_answer * 10 < found.answers * 9


def test_copies_count_as_one_row() -> None:
    (one,) = examples([{"instruction": "a", "output": "b"}])
    from dataclasses import replace

    assert text_facts([one, replace(one, repeat=1), replace(one, repeat=2)]).answers == 1
