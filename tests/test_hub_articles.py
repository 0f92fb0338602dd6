"""The articles' three commands that name data on a hub, as they are typed, to their verdicts.

Against a hub on this machine, with the bundled model; with `--online`, against the real hubs.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import as_json, suretune
from hub.server import FakeHub, Repository, commit_of, running
from suretune import rundir
from suretune.prepare.starter import identity_rows
from test_articles import COMMANDS

ZH, EN = "AI-ModelScope/alpaca-gpt4-data-zh", "AI-ModelScope/alpaca-gpt4-data-en"
HUB_COMMANDS = ("0 §7.2 a hub dataset, sampled and packed", "1 §7.1 mixed data", "3 §3.4 anchored")
DRAWN = {HUB_COMMANDS[0]: 500, HUB_COMMANDS[1]: 500, HUB_COMMANDS[2]: 200}
ROWS = 600


def alpaca(language: str) -> bytes:
    """A table with the columns of the articles' datasets, and an empty cell in every row."""
    lines = ["instruction,input,output"]
    for n in range(ROWS):
        a, b = 10 + n // 25, 1 + n % 25
        if language == "zh":
            lines.append(f"{a} 加 {b} 等于多少？,,{a} 加 {b} 等于 {a + b}。")
        else:
            lines.append(f"What is {a} plus {b}?,,{a} plus {b} is {a + b}.")
    return ("\n".join(lines) + "\n").encode()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the articles' commands are typed: their own files, caches of their own."""
    files = {  # one with placeholders, which --model_name fills, one that has its names
        "self_cognition.json": identity_rows(("{{NAME}}",), ("{{AUTHOR}}",), ("zh", "en")),
        "self_cognition_enhanced.json": identity_rows(("Glow",), ("Star Lab",), ("zh", "en")),
    }
    for name, rows in files.items():
        (tmp_path / name).write_text(json.dumps(rows, ensure_ascii=False), "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("MODELSCOPE_CACHE", str(tmp_path / "ms"))
    return tmp_path


@pytest.fixture
def hub(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    with running() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        monkeypatch.setenv("MODELSCOPE_ENDPOINT", server.url)
        for name, language in ((ZH, "zh"), (EN, "en")):
            files = {"README.md": b"# rows", "train.csv": alpaca(language)}
            server.repos["dataset", name] = Repository(files)
        yield server


def typed(name: str, run: Path) -> list[str]:
    """The article's words, into a folder of ours."""
    words = shlex.split(COMMANDS[name][0].replace("\n", " "), comments=False)
    if "--output_dir" in words:
        at = words.index("--output_dir")
        del words[at : at + 2]
    return [*words, "--output_dir", str(run), "--device", "cpu", "--json"]


def concluded(name: str, folder: Path) -> tuple[dict[str, Any], Path]:
    """The run of a command, with a verdict; what is in its files is what its report says."""
    run = folder / "run"
    done = suretune(*typed(name, run), timeout=3600, HF_HUB_OFFLINE="0")
    assert done.returncode in (0, 6, 8), done.stdout[-3000:] + done.stderr[-3000:]
    report: dict[str, Any] = as_json(done)
    verdicts = {0: "sealed", 6: "not-verified", 8: "forgetting-not-measured"}
    assert report["verdict"] == verdicts[done.returncode]
    assert (run / rundir.SEAL).is_file() is (done.returncode == 0)
    steps = list(rundir.read_jsonl(run / "steps.jsonl"))
    assert steps and steps == report["steps"]
    by_name = {d["name"]: d for d in report["data"]["datasets"]}
    for dataset in (ZH, EN):
        assert by_name[dataset]["train"] + by_name[dataset]["held_out"] == DRAWN[name]
    print(name, report["verdict"], report["reasons"], report["seconds"], len(steps))
    return report, run


@pytest.mark.parametrize("name", HUB_COMMANDS)
def test_a_command_that_names_data_of_a_hub_comes_to_its_verdict(
    name: str, folder: Path, hub: FakeHub
) -> None:
    _, run = concluded(name, folder)
    fetched = {one["id"]: one for one in rundir.read_json(run / "run.json")["fetched"]}
    assert {name: (one["hub"], one["commit"]) for name, one in fetched.items()} == {
        name: ("ms", commit_of(hub.repos["dataset", name].files)) for name in (ZH, EN)
    }
    ledger = (run / "ledger.jsonl").read_text("utf-8")
    assert all(f"ms::{dataset}@" in ledger for dataset in (ZH, EN))


@pytest.mark.online
@pytest.mark.parametrize("name", HUB_COMMANDS)
def test_a_command_that_names_data_of_a_hub_comes_to_its_verdict_online(
    name: str, folder: Path
) -> None:
    """With a network: `pytest --online tests/test_hub_articles.py`."""
    concluded(name, folder)
