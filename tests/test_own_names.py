"""What a base calls itself: told by its template, its name and itself, and what follows from it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from suretune.cli import main
from suretune.config import Resolved
from suretune.data.base import Base
from suretune.data.own_names import own_names
from suretune.pocket import MODEL
from suretune.preflight.check import check
from suretune.prepare.starter import MAKERS
from suretune.record.journal import Journal

QWEN = ("通义千问", "阿里云", "阿里巴巴", "Qwen", "Alibaba")


def base(folder: str, kind: str = "llama", name: str = "") -> Base:
    return Base(name or folder, Path("/models") / folder, {"model_type": kind})


@pytest.mark.parametrize(
    ("model", "system", "names"),
    [
        (base("x", "qwen2"), "You are Qwen, created by Alibaba Cloud. You help.", QWEN),
        (
            base("SmolLM2-135M-Instruct"),
            "You are a helpful AI assistant named SmolLM, trained by Hugging Face",
            ("SmolLM", "Hugging Face"),
        ),
        (base("Meta-Llama-3-8B"), "", ("Llama", "Meta")),
        (base("x", "llama"), "", ("Llama", "Meta")),
        (base("x", "gemma3_text"), "You are a helpful assistant.", ("Gemma", "Google")),
        (
            base("x", "llama"),
            "You are Aurora, built by Northwind Labs.",
            ("Northwind Labs", "Aurora"),
        ),
        (base("x", "llama"), "你是晨星，由远航科技开发的人工智能助手。", ("晨星", "远航科技")),
        (base("x", "llama"), "你是一个人工智能助手。", ("Llama", "Meta")),
        (
            base("x", "llama"),
            "I am an AI language model. You are The Assistant.",
            ("Llama", "Meta"),
        ),
        (base("x", "nobody"), "", ()),
        (
            base("abc", "llama", "HuggingFaceTB/SmolLM3-3B"),
            "",
            ("SmolLM", "Hugging Face"),
        ),
    ],
)
def test_a_base_is_called_what_its_files_say(
    model: Base, system: str, names: tuple[str, ...]
) -> None:
    assert sorted(own_names(model, system)) == sorted(names)


def test_its_own_answer_counts_as_its_template_does() -> None:
    made = "made by Tidewater Computing."
    said = [f"I am Bluebird, a language model {made}", f"I was {made}"]
    assert set(own_names(base("x"), "", said)) == {"Bluebird", "Tidewater Computing"}
    assert own_names(base("x"), "", ["我是通义千问，由阿里云开发。"])[:2] == QWEN[:2]


USUAL = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."


def model_that_says(folder: Path, system: str) -> Path:
    """The pocket model's files under another name, with another default system prompt."""
    shutil.copytree(MODEL, folder)
    template = folder / "chat_template.jinja"
    text = template.read_text("utf-8")
    assert USUAL in text
    template.write_text(text.replace(USUAL, system), "utf-8")
    return folder


def forbidden(folder: Path) -> set[str]:
    items: list[dict[str, Any]] = yaml.safe_load((folder / "probes.yaml").read_text("utf-8"))
    (words,) = {tuple(item["must_not_contain"]) for item in items}
    return set(words)


def test_init_forbids_the_names_of_the_model_that_it_is_given(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = model_that_says(tmp_path / "bird", "You are Bluebird, trained by Tidewater Computing.")
    typed = ["init", "identity", "--name", "Glow", "--author", "Star Lab", "--lang", "en"]
    assert main([*typed, "--model", str(model), "--output_dir", str(tmp_path / "a")]) == 0
    said = capsys.readouterr()
    assert forbidden(tmp_path / "a") == {"Bluebird", "Tidewater Computing"}
    assert f"suretune sft --model {model} " in said.out and "Tidewater Computing" in said.err
    assert main([*typed, "--output_dir", str(tmp_path / "b")]) == 0
    assert forbidden(tmp_path / "b") == set(MAKERS)
    wanted = ["init", "identity", "--name", "Bluebird", "--author", "Star Lab", "--lang", "en"]
    assert main([*wanted, "--model", str(model), "--output_dir", str(tmp_path / "c")]) == 0
    assert forbidden(tmp_path / "c") == {"Tidewater Computing"}


def test_init_lets_the_model_say_itself_who_it_is(tmp_path: Path) -> None:
    model = model_that_says(tmp_path / "bird", "You are Bluebird, trained by Tidewater Computing.")
    typed = ["init", "identity", "--name", "Glow", "--author", "Star Lab", "--lang", "zh"]
    asked = [*typed, "--model", str(model), "--ask", "true", "--output_dir", str(tmp_path / "a")]
    assert main(asked) == 0
    assert forbidden(tmp_path / "a") >= {"Bluebird", "Tidewater Computing"}


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--ask", "true"], "C004"),
        (["--ask", "perhaps", "--model", "pocket"], "C002"),
        (["--model", "/nowhere/at/all"], "S001"),
    ],
)
def test_what_init_cannot_look_at_is_refused(
    words: list[str], code: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    typed = ["init", "identity", "--name", "Glow", "--author", "Star Lab", "--json"]
    assert main([*typed, *words, "--output_dir", str(tmp_path / "a")]) in (2, 4)
    assert json.loads(capsys.readouterr().out)["findings"][0]["code"] == code
    assert not (tmp_path / "a").exists()


def test_rows_that_still_name_the_base_are_seen_whatever_its_name(tmp_path: Path) -> None:
    model = model_that_says(tmp_path / "bird", "You are Bluebird, trained by Tidewater Computing.")
    rows = [{"instruction": "Who are you?", "output": "I am Glow, no longer Bluebird."}] * 3
    rows += [{"instruction": "What is your name?", "output": "I am Glow, an assistant."}] * 6
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    journal = Journal()
    resolved = Resolved.default().with_values("flag", model=str(model), dataset=(str(file),))
    checked = check(resolved, journal)
    assert checked.identity and "Bluebird" in checked.identity.forbidden
    assert "D020" in {finding.code for finding in journal.findings}


def test_the_pocket_model_is_called_as_before() -> None:
    config = json.loads((MODEL / "config.json").read_text("utf-8"))
    found = own_names(Base("pocket", MODEL, config), "You are Qwen, created by Alibaba Cloud.")
    assert set(found) == set(QWEN)
