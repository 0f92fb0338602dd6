"""Datasets of hubs from their names to a plan and a run, against a hub on this machine."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hub.server import FakeHub, Repository, commit_of, running
from suretune.cli import main
from suretune.deploy.card import to_give

ZH, EN = "AI-ModelScope/alpaca-gpt4-data-zh", "AI-ModelScope/alpaca-gpt4-data-en"


def csv(rows: int, word: str) -> bytes:
    lines = [f"{word} number {n}?,,It is {n} and nothing else." for n in range(rows)]
    return ("instruction,input,output\n" + "\n".join(lines) + "\n").encode()


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    for name in (*os.environ,):
        if name.startswith(("HF_", "HUGGING", "USE_", "MODELSCOPE")) or "proxy" in name.lower():
            monkeypatch.delenv(name)
    monkeypatch.setattr("suretune.hubs.wire.time.sleep", lambda _: None)
    monkeypatch.chdir(tmp_path)
    with running() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        monkeypatch.setenv("MODELSCOPE_ENDPOINT", server.url)
        monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
        monkeypatch.setenv("MODELSCOPE_CACHE", str(tmp_path / "ms"))
        about = {"README.md": b"# rows", "dataset_infos.json": b"{}"}
        server.repos["dataset", ZH] = Repository({**about, "train.csv": csv(60, "What is")})
        server.repos["dataset", EN] = Repository({**about, "train.csv": csv(60, "Name")})
        yield server


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Any:
    def call(*words: object) -> tuple[int, dict[str, Any]]:
        status = main([*map(str, words), "--json"])
        return status, json.loads(capsys.readouterr().out)

    return call


def codes(told: dict[str, Any]) -> list[str]:
    return [finding["code"] for finding in told["findings"]]


def test_an_articles_datasets_are_read_by_their_names(hub: FakeHub, say: Any) -> None:
    status, told = say("check", "--model", "pocket", "--dataset", f"{ZH}#20", f"{EN}#10")
    assert status == 0, told
    datasets = {
        d["name"]: (d["read"], d["train"] + d["held_out"]) for d in told["data"]["datasets"]
    }
    assert datasets == {ZH: (60, 20), EN: (60, 10)}
    notes = [f["what"]["en"] for f in told["findings"] if f["code"] == "D044"]
    assert len(notes) == 2 and "train.csv" in notes[0]
    assert commit_of(hub.repos["dataset", ZH].files)[:12] in notes[0]
    assert all(Path(file).is_file() for file in told["data"]["files"])


def test_a_run_keeps_the_commit_and_goes_on_with_the_same_rows(hub: FakeHub, say: Any) -> None:
    asked = ("--model", "pocket", "--dataset", f"{ZH}#20", "--output_dir", "run", "--max_steps", 2,
             "--until_proven", "false", "--general_questions", 20, "--save_steps", 1)  # fmt: skip
    say("sft", *asked)
    commit = commit_of(hub.repos["dataset", ZH].files)
    ledger = Path("run/ledger.jsonl").read_text("utf-8")
    assert f"ms::{ZH}@{commit}/train.csv" in ledger
    assert f"@{commit}#20" in Path("run/config.yaml").read_text("utf-8")
    (one,) = json.loads(Path("run/run.json").read_text("utf-8"))["fetched"]
    assert one["commit"] == commit and len(one["files"]["train.csv"]) == 64
    hub.repos["dataset", ZH].files["train.csv"] = csv(60, "Other rows")
    from suretune.record.journal import Journal
    from suretune.run.resume import reopen

    hub.seen.clear()
    checked = reopen(Path("run"), Journal())
    assert not hub.fetched() and checked.plan.digest in Path("run/plan.json").read_text("utf-8")


def test_both_hubs_can_be_named(hub: FakeHub, say: Any) -> None:
    for name in (f"ms::{ZH}#20", f"hf::{ZH}#20"):
        status, told = say("check", "--model", "pocket", "--dataset", name)
        assert status == 0, told
    status, told = say("check", "--model", "pocket", "--dataset", f"{ZH}#20", "--hub", "hf")
    assert status == 0 and any("hf" in f["what"]["en"] or "Hugging" in f["what"]["en"]
                               for f in told["findings"] if f["code"] == "D044")  # fmt: skip


def test_a_model_of_a_hub_is_checked_by_its_words(hub: FakeHub, say: Any) -> None:
    from suretune import pocket

    files = {p.name: p.read_bytes() for p in pocket.MODEL.iterdir() if p.is_file()}
    hub.repos["model", "me/small"] = Repository(files)
    status, told = say("check", "--model", "ms::me/small", "--dataset", f"{ZH}#20")
    assert status == 0, told
    assert not any("safetensors" in path for path in hub.fetched())


BROKEN: dict[str, tuple[Callable[[FakeHub], object], int]] = {
    "D043": (lambda hub: hub.repos.clear(), 3),
    "S042": (lambda hub: setattr(hub.repos["dataset", ZH], "gated", True), 4),
    "S043": (lambda hub: setattr(hub.faults, "forbidden", True), 4),
    "S020": (lambda hub: setattr(hub.faults, "dead", True), 7),
    "S044": (lambda hub: setattr(hub.faults, "busy", 99), 7),
    "S045": (lambda hub: setattr(hub.faults, "lies", 99), 7),
    "D022": (lambda hub: hub.repos["dataset", ZH].files.pop("train.csv"), 3),
}


@pytest.mark.parametrize("code", BROKEN)
def test_what_a_hub_does_not_give_is_said_as_what_it_is(code: str, hub: FakeHub, say: Any) -> None:
    """D022, D043, S042, S043, S044 and S045, and what of it is the network's (S020)."""
    change, status = BROKEN[code]
    change(hub)
    ended, told = say("check", "--model", "pocket", "--dataset", f"hf::{ZH}#20")
    assert (ended, codes(told)) == (status, [code]), told


@pytest.mark.parametrize(
    ("prefix", "first", "then"),
    [("ms", "modelscope download", "hf download"), ("hf", "hf download", "modelscope download")],
)
@pytest.mark.parametrize("flag", ["--model", "--dataset"])
def test_the_hub_that_was_asked_is_named_before_the_other(
    flag: str, prefix: str, first: str, then: str, hub: FakeHub, say: Any
) -> None:
    hub.faults.dead = True
    Path("rows.jsonl").write_text('{"instruction": "Who?", "output": "Me."}\n' * 9, "utf-8")
    typed = {"--model": "pocket", "--dataset": "rows.jsonl", flag: f"{prefix}::{ZH}"}
    status, told = say("check", *(word for pair in typed.items() for word in pair))
    assert (status, codes(told)) == (7, ["S020"])
    [found] = told["findings"]
    title = {"ms": ("ModelScope", "魔搭"), "hf": ("Hugging Face", "Hugging Face")}[prefix]
    for lang, name in zip(("en", "zh"), title, strict=True):
        fix = found["fix"][lang]
        assert 0 < fix.index(f"`{first}") < fix.index(f"`{then}")
        assert name in found["what"][lang] and ("hf-mirror" in fix) is (prefix == "hf")


def test_a_model_that_no_hub_has_is_missing(hub: FakeHub, say: Any) -> None:
    rows = Path("rows.jsonl")
    rows.write_text('{"instruction": "Who?", "output": "Me."}\n' * 9, "utf-8")
    status, told = say("check", "--model", "me/nothing", "--dataset", rows)
    assert status == 4 and codes(told)[-1] == "S001"
    assert "Hugging Face" in told["findings"][-1]["what"]["en"]


# --- ahead of time, and the way back --------------------------------------------------------------


def test_what_was_pulled_needs_no_network_later(
    hub: FakeHub, say: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    status, told = say("pull", "--dataset", f"ms::{ZH}")
    assert status == 0 and Path(told["fetched"][0]["folder"], "train.csv").is_file()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    hub.seen.clear()
    status, told = say("check", "--model", "pocket", "--dataset", f"ms::{ZH}#20")
    assert status == 0 and not hub.seen
    assert "cache" in next(f for f in told["findings"] if f["code"] == "D044")["what"]["en"]


def test_pull_says_what_is_not_there(hub: FakeHub, say: Any) -> None:
    status, told = say("pull", "ms::me/nothing")
    assert status == 4 and codes(told) == ["S001"]


def test_a_sealed_adapter_is_given_with_its_card_and_loads(
    hub: FakeHub, say: Any, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "writer")
    status, told = say("push", trained, "hf::me/glow")
    assert status == 0 and told["private"]
    given = hub.repos["model", "me/glow"]
    assert given.private and "MANIFEST.json" not in given.files
    assert b"base_folder" not in given.files["suretune.json"]
    card = given.files["README.md"].decode()
    report = json.loads((trained / "report.json").read_text("utf-8"))
    asked = report["paraphrases"]
    assert "verified" in card and f"{asked['passed']} of {asked['asked']}" in card
    assert str(trained) not in card and str(Path.home()) not in card
    weights = (trained / "adapter" / "adapter_model.safetensors").read_bytes()
    assert given.files["adapter_model.safetensors"] == weights


def test_an_adapter_is_given_to_a_public_repository_only_where_that_is_said(
    hub: FakeHub, say: Any, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S052, and both commands that it names, typed as they stand there."""
    monkeypatch.setenv("HF_TOKEN", "writer")
    old = {"README.md": b"# mine"}
    hub.repos["model", "me/glow"] = Repository(dict(old))
    status, told = say("push", trained, "hf::me/glow")
    assert (status, codes(told)) == (4, ["S052"])
    assert hub.repos["model", "me/glow"].files == old and not hub.contents
    commands = re.findall(r"`suretune (push [^`]+)`", told["findings"][0]["fix"]["en"])
    apart, public = (say(*shlex.split(command)) for command in commands)
    assert apart[0] == 0 and apart[1]["private"]
    assert hub.repos["model", "me/glow-private"].private
    assert public[0] == 0 and not public[1]["private"]
    assert "adapter_model.safetensors" in hub.repos["model", "me/glow"].files


def test_a_private_repository_stays_private_and_is_called_so(
    hub: FakeHub, say: Any, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "writer")
    hub.repos["model", "me/glow"] = Repository({}, private="writer")
    status, told = say("push", trained, "hf::me/glow", "--public")
    assert status == 0 and told["private"] is True


@pytest.mark.parametrize(
    ("base", "name", "revision"),
    [
        ("/home/me/models/Qwen2.5-0.5B", "Qwen2.5-0.5B", None),
        ("hf::Qwen/Qwen2.5-0.5B@v1", "Qwen/Qwen2.5-0.5B", "v1"),
        ("ms::Qwen/Qwen2.5-0.5B", "Qwen/Qwen2.5-0.5B", None),
    ],
)
def test_what_is_given_names_its_base_as_others_find_it(
    base: str, name: str, revision: str | None, trained: Path, tmp_path: Path
) -> None:
    run = shutil.copytree(trained, tmp_path / "run", symlinks=True)
    named = {"suretune.json": "base", "adapter_config.json": "base_model_name_or_path"}
    for file, key in named.items():
        told = json.loads((run / "adapter" / file).read_text("utf-8"))
        (run / "adapter" / file).write_text(json.dumps({**told, key: base}), "utf-8")
    with to_give(run, "me/glow") as files:
        given = {file.path: file.file.read_bytes() for file in files}
        assert len(given) == len(files)
    config = json.loads(given["adapter_config.json"])
    assert config["base_model_name_or_path"] == name and config["revision"] == revision
    assert json.loads(given["suretune.json"])["base"] == name
    assert not [path for path, body in given.items() if b"/home/me" in body or b"hf::" in body]
    card = given["README.md"].decode()
    assert (f"base_model: {name}\n" in card) == ("/" in name)
    assert ("BASE is where" in card) == ("/" not in name)


def test_what_was_not_verified_is_given_only_where_that_is_said(
    hub: FakeHub, say: Any, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "writer")
    run = shutil.copytree(trained, tmp_path / "unsealed", symlinks=True)
    (run / "VERIFIED.json").unlink()
    report = json.loads((run / "report.json").read_text("utf-8"))
    (run / "report.json").write_text(json.dumps({**report, "verdict": "not-verified"}), "utf-8")
    status, told = say("push", run, "hf::me/glow")
    assert status == 4 and not hub.repos.get(("model", "me/glow"))
    status, told = say("push", "--unverified", run, "hf::me/glow", "--public")
    assert status == 6 and not told["private"]
    assert "NOT verified" in hub.repos["model", "me/glow"].files["README.md"].decode()
