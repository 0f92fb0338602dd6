"""Adapters that somebody sent: their configuration is compared with their tensors, not obeyed."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import PreTrainedModel

from suretune import rundir
from suretune.data.base import Base, find_base
from suretune.model.load import load_base
from suretune.model.lora import attach, load_adapter, save_adapter
from suretune.options_lora import LoraOptions

ENDLESS = "(a+)+(a+)+$|" + "(.*a){25}"


@pytest.fixture
def model() -> PreTrainedModel:
    base = find_base("pocket", weights=True)
    assert isinstance(base, Base)
    made = load_base(base, torch.device("cpu"), "float32")
    assert isinstance(made, PreTrainedModel)
    return made


def saved(model: PreTrainedModel, folder: Path, **config: Any) -> Path:
    """An adapter of rank 8 on two kinds of layers, and what else its config says."""
    tuned = attach(model, LoraOptions(lora_rank=8, target_modules=("q_proj", "up_proj")), "x", 1)
    save_adapter(tuned, folder)
    tuned.unload()
    path = folder / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **config}), "utf-8")
    return folder


@pytest.mark.parametrize(
    "config",
    [
        {"r": 10**9},
        {"r": 4},
        {"r": 0},
        {"r": "8"},
        {"r": 8, "rank_pattern": {"q_proj": 10**9}},
        {"peft_type": "LOHA"},
        {"rank_pattern": {ENDLESS: 8}},
        {"alpha_pattern": {ENDLESS: 8}},
        {"exclude_modules": ENDLESS},
    ],
)
def test_a_rank_that_the_tensors_do_not_have_is_refused_before_it_is_allocated(
    config: dict[str, Any], model: PreTrainedModel, tmp_path: Path
) -> None:
    with pytest.raises(rundir.Damaged, match=r"adapter_config\.json"):
        load_adapter(model, saved(model, tmp_path, **config))


@pytest.mark.parametrize(
    "targets",
    [
        ["q_proj", "up_proj"],
        r"(?:model\.)?(?:.*?)(?:self_attn|mlp).*?(?:q_proj|up_proj)",  # as Unsloth writes them
        ENDLESS,  # the layers are those of the tensors, whatever stands here
    ],
)
def test_a_list_and_a_regular_expression_load_the_tensors_that_are_there(
    targets: Any, model: PreTrainedModel, tmp_path: Path
) -> None:
    folder = saved(model, tmp_path, target_modules=targets)
    _, match = load_adapter(model, folder)
    assert match.saved == match.matched == 2 * 2 * 6 and not match.odd


def test_an_expression_beside_tensors_of_no_layer_is_refused_unread(
    model: PreTrainedModel, tmp_path: Path
) -> None:
    from safetensors.torch import save_file

    folder = saved(model, tmp_path, target_modules=ENDLESS)
    tensors = {"base_model.model.x.lora_A.weight": torch.zeros(8, 4)}
    save_file(tensors, folder / "adapter_model.safetensors")
    with pytest.raises(ValueError, match="no layer is called x"):
        load_adapter(model, folder)


def test_threads_that_open_a_model_at_once_get_whole_ones() -> None:
    """transformers replaces `tie_weights` of the class while it loads: without a lock one of them
    finds no head, and the class may keep the replacement."""
    base = find_base("pocket", weights=True)
    assert isinstance(base, Base)
    tie = PreTrainedModel.tie_weights
    with ThreadPoolExecutor(4) as pool:
        opened = [pool.submit(load_base, base, torch.device("cpu"), "float32") for _ in range(12)]
        models = [one.result() for one in opened]
    assert PreTrainedModel.tie_weights is tie
    for model in models:
        assert model.lm_head.weight is model.get_input_embeddings().weight
