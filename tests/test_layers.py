"""`--layers_to_transform`: adapters in some of the layers, from the words to the files."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from conftest import suretune, write_rows
from suretune import rundir
from suretune.model.generate import last_logits
from suretune.model.lora import attach, load_adapter, save_adapter
from suretune.options_lora import LoraOptions
from suretune.pocket import MODEL
from suretune.record.journal import Journal
from suretune.refusal import Refusal
from suretune.run.resume import reopen
from suretune.train.loop import train
from test_effects import ROWS, checked_with, learner_with

EVERY = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")  # of a layer


def places(folder: Path) -> dict[int, set[str]]:
    """The layers that an adapter file has tensors of, and the last names of what is adapted."""
    found: dict[int, set[str]] = {}
    for name in load_file(folder / "adapter_model.safetensors"):
        told = re.search(r"layers\.(\d+)\..*?(\w+)\.lora_[AB]", name)
        assert told, name
        found.setdefault(int(told[1]), set()).add(told[2])
    return found


@pytest.mark.parametrize(
    "layers, targets, there",
    [
        (("1-4",), ("all-linear",), {n: set(EVERY) for n in range(1, 5)}),
        (("0", "5"), ("q_proj", "mlp.up_proj"), {n: {"q_proj", "up_proj"} for n in (0, 5)}),
        (("all",), ("v_proj",), {n: {"v_proj"} for n in range(6)}),
    ],
)
def test_what_learns_lies_in_these_layers_alone_and_plain_peft_reads_it(
    layers: tuple[str, ...], targets: tuple[str, ...], there: dict[int, set[str]], tmp_path: Path
) -> None:
    """Trained, saved, and read again by PEFT alone: the same logits as in memory."""
    learner = learner_with(tmp_path, layers_to_transform=layers, target_modules=targets)
    checked = checked_with(tmp_path, layers_to_transform=layers, target_modules=targets)
    short = replace(checked.plan, updates=checked.plan.updates[:3])
    list(train(learner, list(checked.samples), short, 0))
    (tmp_path / "adapter").mkdir()
    save_adapter(learner.model, tmp_path / "adapter")
    assert places(tmp_path / "adapter") == there
    ids = [checked.samples[0].ids.tolist()]
    base = AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32)
    plain = last_logits(base, ids)
    again = last_logits(PeftModel.from_pretrained(base, tmp_path / "adapter").eval(), ids)
    assert (
        (again - last_logits(learner.model, ids)).abs().max() < 1e-4 < (again - plain).abs().max()
    )
    fresh = AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32)
    assert load_adapter(fresh, tmp_path / "adapter")[1].odd == ()


def test_the_fast_layers_and_the_plain_ones_learn_the_same_of_some(tmp_path: Path) -> None:
    asked = {"layers_to_transform": ("1-3",)}
    made = [learner_with(tmp_path, fused=fused, **asked) for fused in (True, False)]
    samples = list(checked_with(tmp_path, **asked).samples[:6])
    plan = checked_with(tmp_path, **asked).plan
    short = replace(plan, updates=plan.updates[:2])
    for learner in made:
        list(train(learner, list(checked_with(tmp_path, **asked).samples), short, 0))
    fast, plain = (learner.adapters.values.data for learner in made)
    assert fast.shape == plain.shape and (fast - plain).norm() < 1e-3 * plain.norm()
    losses = [learner.engine.mean_loss(samples) for learner in made]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_layers_that_have_nothing_to_adapt_are_refused() -> None:
    base = AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32)
    for asked in (
        LoraOptions(layers_to_transform=("40",)),
        LoraOptions(layers_to_transform=("1",), target_modules=("lm_head",)),
    ):
        with pytest.raises(Refusal) as refused:
            attach(base, asked, "pocket", 1)
        assert "trains-nothing" in str(refused.value.facts)
    some = LoraOptions(layers_to_transform=("1-4",), target_modules=("q_proj", "lm_head"))
    with pytest.raises(Refusal, match=r"target-matches-nothing.*lm_head"):
        attach(base, some, "pocket", 1)


@pytest.mark.parametrize(
    "layers, told",
    [("4-9", "6 layers, 0 to 5"), ("4-2", "counted from 0"), ("x", "counted from 0")],
)
def test_layers_that_are_not_there_are_refused(layers: str, told: str, tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "rows.jsonl", ROWS)
    words = ("check", "--model", "pocket", "--device", "cpu", "--dataset", rows)
    refused = suretune(*words, "--layers_to_transform", layers)
    assert refused.returncode == 2 and told in refused.stdout + refused.stderr


def test_the_advice_about_layers_obeyed_works(tmp_path: Path) -> None:
    for words in ("4-5", "0 2 4-5", "all"):
        made = checked_with(tmp_path, layers_to_transform=tuple(words.split()))
        assert made.resolved.config.lora.layers_to_transform == tuple(words.split())


def test_a_run_begun_before_layers_could_be_chosen_goes_on_with_all(
    trained: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    about = rundir.read_json(run / "run.json")
    assert about["settings"].pop("layers_to_transform") == []
    rundir.write_json(run / "run.json", about)
    lines = (run / "config.yaml").read_text("utf-8").splitlines(keepends=True)
    kept = [line for line in lines if not line.startswith("layers_to_transform")]
    (run / "config.yaml").write_text("".join(kept), "utf-8")
    assert len(kept) == len(lines) - 1
    assert reopen(run, Journal()).resolved.config.lora.layers is None


SAVED = """
import sys
from pathlib import Path
from transformers import AutoModelForCausalLM
from suretune.model.lora import attach, save_adapter
from suretune.options_lora import LoraOptions
from suretune.pocket import MODEL
base, folder, *targets = AutoModelForCausalLM.from_pretrained(MODEL), *sys.argv[1:]
save_adapter(attach(base, LoraOptions(target_modules=targets), "pocket", 1), Path(folder))
"""


def test_two_processes_write_the_same_bytes_of_several_targets(tmp_path: Path) -> None:
    """PEFT keeps names in a set, whose order is another in each process: of seven, 5,040."""
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    base = AutoModelForCausalLM.from_pretrained(MODEL)
    save_adapter(attach(base, LoraOptions(target_modules=EVERY), "pocket", 1), here)
    subprocess.run([sys.executable, "-c", SAVED, str(there), *EVERY], check=True)
    made = [{path.name: path.read_bytes() for path in folder.iterdir()} for folder in (here, there)]
    assert made[0] == made[1] and len(made[0]) == 2


def test_a_config_says_layers_as_short_as_it_means_the_same() -> None:
    """The names of layers and their numbers; full names where others would be meant as well."""
    base = AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32)
    tuned = attach(base, LoraOptions(layers_to_transform=("1-2",)), "pocket", 1)
    config = tuned.peft_config["default"]
    assert config.target_modules == set(EVERY) and config.layers_to_transform == [1, 2]
    base = AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32)
    base.model.vision_tower = torch.nn.ModuleDict({"layers": torch.nn.ModuleList(
        [torch.nn.ModuleDict({"q_proj": torch.nn.Linear(4, 4)}) for _ in range(3)])})  # fmt: skip
    asked = LoraOptions(layers_to_transform=("1-2",), target_modules=("q_proj",))
    config = attach(base, asked, "pocket", 1).peft_config["default"]
    assert config.target_modules == {f"model.layers.{n}.self_attn.q_proj" for n in (1, 2)}
    assert config.layers_to_transform is None
