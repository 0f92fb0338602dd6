"""Runs of `--train_type full` on the real path: trained, killed, resumed, asked, carried on."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from conftest import codes, suretune, write_rows
from shallow import shallow
from suretune import rundir
from suretune.config import Resolved
from suretune.data.base import find_base
from suretune.data.learning import Learning, learning_of
from suretune.deploy.card import to_give
from suretune.hubs.door import Repo
from suretune.options_full import FullOptions
from suretune.prepare.starter import identity_rows
from test_kill import UPDATES, forked, same

WEIGHTS = "model.safetensors"
POCKET = find_base("pocket", weights=True)


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory, identity_file: Path) -> Path:
    """Three updates, which seal nothing."""
    folder = tmp_path_factory.mktemp("short")
    probe = folder / "probe.txt"
    probe.write_text("你是谁?\n")
    done = suretune(
        "sft", "--model", "pocket", "--dataset", identity_file, "--max_steps", 3,
        "--probes", probe, "--general_questions", 20, "--until_proven", "false",
        "--anchor_ratio", 0, "--train_type", "full", "--freeze_parameters_ratio", 0.5,
        "--output_dir", folder / "run",
    )  # fmt: skip
    assert done.returncode in (0, 6), done.stderr[-2000:]
    return folder / "run"


def test_a_resume_that_is_refused_leaves_the_run_as_it_was(short: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(short, run)
    config = run / "config.yaml"
    config.write_text(re.sub("^optim: .*", "optim: adamw_8bit", config.read_text(), flags=re.M))
    before = config.read_bytes()
    done = suretune("resume", run, "--num_gpus", 2)
    assert done.returncode not in (0, 6) and "--num_gpus" in done.stdout, done.stdout[-2000:]
    assert config.read_bytes() == before


def test_what_is_published_is_a_models_folder_that_transformers_opens(short: Path) -> None:
    """Frozen weights have the base's bits and types; the rest is what the proof found in memory."""
    assert not (short / "adapter").exists()
    model, about = AutoModelForCausalLM.from_pretrained(
        short / "model", use_safetensors=True, output_loading_info=True
    )
    assert not any(about.values()), about
    assert model.dtype == torch.float32  # the folder's own type is that of the proof
    AutoTokenizer.from_pretrained(short / "model")
    found = learning_of(POCKET, FullOptions(freeze_parameters_ratio=0.5))
    assert isinstance(found, Learning)
    was, now = load_file(POCKET.folder / WEIGHTS), load_file(short / "model" / WEIGHTS)
    assert was.keys() == now.keys()
    for name in found.frozen:
        assert now[name].dtype == was[name].dtype and torch.equal(now[name], was[name])
    assert all(not torch.equal(now[name].float(), was[name].float()) for name in found.learned)
    result = rundir.read_json(short / "proof" / "result.json")
    assert result["logits_gap"] == 0 and result["logits_change"] > 0
    assert result["tensors_saved"] == result["tensors_matched"] == len(now)
    report = rundir.read_json(short / "report.json")
    assert report["adapter"]["rank"] is None and report["model"]["trainable"] == found.count
    assert f"model/{WEIGHTS}" in report["hashes"]
    card = (short / "model" / "README.md").read_text()
    assert "library_name: transformers" in card and f"{found.share:.1%}" in card


def test_it_answers_by_itself_and_by_its_checkpoints(short: Path, tmp_path: Path) -> None:
    asked = tmp_path / "asked.txt"
    asked.write_text("你是谁?\n")
    for more in ((), ("--checkpoint", "last"), ("--model", "pocket")):
        done = suretune("ask", "--adapters", short, *more, "--questions", asked)
        assert done.returncode == 0 and done.stdout.strip(), done.stderr


def test_it_is_carried_as_it_is_and_no_adapter_is_made_of_it(short: Path, tmp_path: Path) -> None:
    out = tmp_path / "merged"
    done = suretune("export", short, "--to", "merged", "--out", out, "--unverified", "--json")
    assert done.returncode in (0, 6), done.stderr
    for name in (WEIGHTS, "config.json", "tokenizer.json", "chat_template.jinja"):
        ours, theirs = ((folder / name).read_bytes() for folder in (out, short / "model"))
        if name == "config.json":  # with older programs' names beside
            ours, theirs = json.loads(ours), {**json.loads(ours), **json.loads(theirs)}
        assert ours == theirs
    told = json.loads(done.stdout)
    assert told["base_fingerprint"] and told["proof"]["gap"] <= told["proof"]["bound"]
    for target in ("vllm", "sglang", "mlx"):
        refused = suretune("export", short, "--to", target, "--out", out / "x", "--unverified")
        told = " ".join((refused.stdout + refused.stderr).split())
        assert "E001" in told and "--to merged" in told, target


def test_a_hub_gets_the_model_with_a_card_that_loads_it(short: Path) -> None:
    with to_give(short, Repo("hf", "model", "me/glow", "")) as files:
        there = {one.path: one.file for one in files}
        assert {WEIGHTS, "config.json", "tokenizer.json", "README.md", "suretune.json"} <= set(
            there
        )
        card, about = there["README.md"].read_text(), rundir.read_json(there["suretune.json"])
    assert 'AutoModelForCausalLM.from_pretrained("me/glow")' in card and "peft" not in card
    assert "vllm serve me/glow" in card and "rank" not in card
    assert about["train_type"] == "full" and "base_folder" not in about


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Resolved:
    """Six updates of four rows, a checkpoint after every one; half the weights learn."""
    folder = tmp_path_factory.mktemp("kill")
    rows = identity_rows(("Glow",), ("Star Lab",), ("en",))[:24]
    base = shallow(folder / "base")
    probe = folder / "probe.txt"
    probe.write_text("Who are you?\n")
    return Resolved.default().with_values(
        "flag", model=str(base), dataset=(str(write_rows(folder / "rows.jsonl", rows)),),
        max_steps=UPDATES, gradient_accumulation_steps=4, tuner="full", save_steps=1,
        freeze_parameters_ratio=0.5, trainable_parameters=("lm_head",), save_total_limit=3,
        eval_steps=2, split_dataset_ratio=0.1, probes=str(probe), device="cpu",
        learning_rate=1e-4, max_length=512, until_proven=False, general_questions=1,
        anchor_ratio=0.0,
    )  # fmt: skip


def state(run: Path) -> dict[str, Any]:
    last = rundir.pointed(run, "last")
    assert last is not None and last.name == f"step-{UPDATES:06d}"
    return {**load_file(last / WEIGHTS), **load_file(last / "optimizer.safetensors")}


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_killed_and_resumed_is_never_stopped(asked: Resolved, tmp_path: Path, dtype: str) -> None:
    asked = asked.with_values("flag", torch_dtype=dtype)
    assert forked(asked, tmp_path / "whole", resume=False, kill_after=None) == 0
    run, kills = tmp_path / "run", 0
    for updates in (1, 4):  # killed as soon as so many are written down
        begun = (run / "run.json").is_file()
        kills += forked(asked, run, resume=begun, kill_at=updates) is None
    assert forked(asked, run, resume=True, kill_after=None) == 0
    assert kills == 2 and same(state(run), state(tmp_path / "whole"))
    assert not list(run.rglob(".tmp-*"))


@pytest.mark.long
@pytest.mark.parametrize(
    "more", [(), ("--freeze_parameters_ratio", 0.5), ("--optim", "adamw_8bit")]
)
def test_a_small_job_is_sealed(more: tuple[Any, ...], tmp_path: Path, identity_file: Path) -> None:
    """With no rate given; then verified, and refused once a shard was touched."""
    run = tmp_path / "run"
    done = suretune(
        "sft", "--model", "pocket", "--dataset", identity_file, "--train_type", "full",
        "--output_dir", run, *more, timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    general = rundir.read_json(run / "report.json")["general"]
    assert general["loss_upper"] < 0.03 and general["drift"] < 0.2
    again = suretune("verify", run, timeout=900)
    assert again.returncode == 0, again.stderr
    with (run / "model" / WEIGHTS).open("r+b") as file:
        file.seek(-4, 2)
        file.write(b"\1\2\3\4")
    assert "S015" in codes(suretune("verify", run, "--json"))
