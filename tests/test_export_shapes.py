"""Every shape of adapter and base that a target might not load, tried with each target: the refusal
names a command that works, or the files compute what PEFT computes.
"""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from suretune import rundir
from suretune.data.render import prompt_ids
from suretune.deploy.export import ALONE_PACKED, MERGED_PACKED, with_packing
from suretune.deploy.export_proof import adapter_logits
from suretune.export import TARGETS
from suretune.export.delta import deltas, even
from suretune.export.door import Carried
from suretune.export.merged import with_old_names
from suretune.facts import SetupFacts
from suretune.pocket import MODEL
from suretune.types import Message
from test_export import GGUF, LLAMACPP, adapter_of, base_of, carried_of

BLOCKS = ["q_proj", "v_proj", "down_proj"]
SHAPES: dict[str, dict[str, Any]] = {
    "plain": {},
    "rank-5": {"r": 5},
    "rank-64": {"r": 64},
    "rslora": {"use_rslora": True, "r": 5},
    "ranks": {"rank_pattern": {"q_proj": 2, "layers.1.mlp.down_proj": 7}},
    "alphas": {"alpha_pattern": {"v_proj": 24}},
    "ranks-and-alphas": {
        "r": 3, "use_rslora": True,
        "rank_pattern": {"down_proj": 6}, "alpha_pattern": {"q_proj": 1},
    },
}  # fmt: skip
PEFT_SAYS = "base_model.model."


def written(tmp: Path, target: str, carried: Carried) -> Path:
    """What it writes; it has no reason not to."""
    out = tmp / f"out-{target}"
    assert TARGETS[target].why_not(carried, "f32") is None
    out.mkdir()
    TARGETS[target].write(carried, "f32" if TARGETS[target].quants else "", out)
    return out


def made_by_peft(base: Path, adapter: Path) -> dict[str, torch.Tensor]:
    """What PEFT adds to each layer."""
    model = PeftModel.from_pretrained(
        AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32), adapter
    )
    return {
        name.removeprefix(PEFT_SAYS): module.get_delta_weight("default").detach()
        for name, module in model.named_modules()
        if hasattr(module, "get_delta_weight")
    }


@pytest.mark.parametrize("shape", sorted(SHAPES))
def test_an_adapter_of_any_ranks_and_scales_is_the_same_for_programs_that_know_one_of_each(
    tmp_path: Path, shape: str
) -> None:
    """SGLang computes with lora_alpha / r and nothing else, mlx-lm with one rank and one scale."""
    base = base_of(tmp_path, "qwen2")
    rundir.write_json(base / "config.json", with_old_names(rundir.read_json(base / "config.json")))
    adapter = adapter_of(tmp_path, base, target_modules=BLOCKS, **SHAPES[shape])
    carried, meant = carried_of(base, adapter), made_by_peft(base, adapter)
    out = written(tmp_path, "sglang", carried)
    config = rundir.read_json(out / "adapter_config.json")
    tensors = load_file(out / "adapter_model.safetensors")
    assert config["r"] % 8 == 0 and not config["use_rslora"] and not config["rank_pattern"]
    flags = shlex.split((out / "serve.sh").read_text().splitlines()[-1])
    assert int(flags[flags.index("--max-lora-rank") + 1]) == config["r"]
    scale = config["lora_alpha"] / config["r"]
    for layer, delta in meant.items():
        a, b = (tensors[f"{PEFT_SAYS}{layer}.lora_{part}.weight"] for part in "AB")
        assert (a.shape[0], b.shape[1]) == (config["r"], config["r"])
        assert torch.allclose(scale * (b @ a), delta, rtol=1e-5, atol=1e-6), layer
    if (base / "generation_config.json").is_file():
        (base / "generation_config.json").unlink()
    ends = sorted(carried.tokenizer.stop_ids)
    rundir.write_json(base / "generation_config.json", {"eos_token_id": ends})
    out = written(tmp_path, "mlx", carried)
    told = rundir.read_json(out / "adapter_config.json")["lora_parameters"]
    tensors = load_file(out / "adapters.safetensors")
    for layer, delta in meant.items():
        a, b = (tensors[f"{layer}.lora_{part}"] for part in "ab")
        assert a.shape[1] == b.shape[0] == told["rank"]
        assert torch.allclose(told["scale"] * (a @ b).T, delta, rtol=1e-5, atol=1e-6), layer


def test_of_a_packed_base_it_is_told_on_which_numbers_what_was_written_computes(
    tmp_path: Path,
) -> None:
    """mlx-lm does not look where the bundled model says its rotary base: it gets a whole model."""
    carried = carried_of(MODEL, adapter_of(tmp_path, MODEL, target_modules=["q_proj"]))
    carried = replace(carried, base=carried.base.packed_as("nf4"))
    told = {"merged": MERGED_PACKED, "mlx": MERGED_PACKED, "vllm": ALONE_PACKED}
    for target, note in told.items():
        (tmp_path / target).mkdir()
        made = TARGETS[target].write(carried, "", tmp_path / target)
        assert with_packing(made, carried).notes[-1] == note


@pytest.mark.parametrize("shape", sorted(SHAPES))
def test_an_adapter_for_vllm_is_by_plain_peft_what_it_was(tmp_path: Path, shape: str) -> None:
    base = base_of(tmp_path, "qwen2")
    adapter = adapter_of(tmp_path, base, target_modules=BLOCKS, **SHAPES[shape])
    carried, meant = carried_of(base, adapter), made_by_peft(base, adapter)
    out = written(tmp_path, "vllm", carried)
    config = rundir.read_json(out / "adapter_config.json")
    assert not config["rank_pattern"] and not config["alpha_pattern"]
    for layer, delta in made_by_peft(base, out).items():
        assert torch.allclose(delta, meant[layer], rtol=1e-5, atol=1e-6), layer


def test_layers_that_agree_are_left_to_the_last_bit(tmp_path: Path) -> None:
    carried = carried_of(MODEL, adapter_of(tmp_path, MODEL, target_modules=BLOCKS))
    changes = deltas(carried)
    for layer, delta in even(changes).items():
        assert torch.equal(delta.a, changes[layer].a) and torch.equal(delta.b, changes[layer].b)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_dora_merged_has_the_weights_that_peft_makes_of_it(tmp_path: Path, dtype: str) -> None:
    """Each row with the length that was learned; rounded once, where PEFT may round twice."""
    base = base_of(tmp_path, "qwen2")
    adapter = adapter_of(tmp_path, base, target_modules=BLOCKS, use_dora=True, use_rslora=True)
    tensors = load_file(adapter / "adapter_model.safetensors")
    torch.manual_seed(5)
    for name in tensors:
        if "magnitude" in name:
            tensors[name] *= 1 + 0.2 * torch.randn_like(tensors[name])
    save_file(tensors, adapter / "adapter_model.safetensors", metadata={"format": "pt"})
    if dtype == "bfloat16":
        path = base / "model.safetensors"
        halves = {name: t.to(torch.bfloat16) for name, t in load_file(path).items()}
        save_file(halves, path, metadata={"format": "pt"})
    out = written(tmp_path, "merged", carried_of(base, adapter))
    kind = getattr(torch, dtype)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=kind)
    before = {name: p.clone() for name, p in model.state_dict().items()}
    meant = PeftModel.from_pretrained(model, adapter).merge_and_unload().state_dict()
    found = AutoModelForCausalLM.from_pretrained(out, dtype=kind).state_dict()
    changed = [name for name in meant if not torch.equal(meant[name], before[name])]
    assert len(changed) == 3 * 2 and all(name.endswith("_proj.weight") for name in changed)
    close = 1e-6 if dtype == "float32" else 2**-7
    for name, weight in meant.items():
        assert torch.allclose(found[name], weight, rtol=close, atol=close * 1e-2), name
        assert name in changed or torch.equal(found[name], weight)


@pytest.mark.skipif(not (GGUF and LLAMACPP), reason="llama.cpp is not installed")
@pytest.mark.parametrize("shape", ["rslora", "ranks-and-alphas"])
@pytest.mark.parametrize("tied", [True, False])
def test_llama_cpp_computes_the_same_from_the_model_and_from_the_adapter_alone(
    tmp_path: Path, shape: str, tied: bool
) -> None:
    base = base_of(tmp_path, "llama", tie_word_embeddings=tied)
    adapter = adapter_of(tmp_path, base, target_modules=BLOCKS, **SHAPES[shape])
    carried = carried_of(base, adapter)
    out = written(tmp_path, "gguf", carried)
    ask = TARGETS["gguf"].asks(carried, out)
    assert ask is not None
    talk = [(Message("user", "Who are you?"),)]
    heard = ask(talk, 2)
    ours = adapter_logits(carried, [prompt_ids(carried.tokenizer, talk[0])]).log_softmax(-1)[0]
    for scores in (heard.scores[0], heard.beside[0]):
        assert scores and max(abs(score - ours[t].item()) for t, score in scores.items()) < 0.02
    assert sorted(path.name for path in out.iterdir()) == ["adapter.gguf", "model.gguf"]


@pytest.mark.skipif(not GGUF, reason="gguf is not installed")
@pytest.mark.parametrize("what", ["a number", "the scale", "a tensor"])
def test_an_adapter_alone_that_is_not_the_adapter_is_seen(tmp_path: Path, what: str) -> None:
    import gguf

    from suretune.export.gguf_adapter import read_alone_back, write_alone
    from suretune.export.gguf_file import Plan
    from suretune.export.gguf_layers import RECIPES
    from suretune.refusal import Refusal

    base = base_of(tmp_path, "llama")
    carried = carried_of(base, adapter_of(tmp_path, base, target_modules=["q_proj"]))
    plan = Plan(carried, RECIPES["llama"], "f32", deltas(carried))
    path = tmp_path / "adapter.gguf"
    write_alone(plan, path)
    read_alone_back(plan, path)
    data = bytearray(path.read_bytes())
    if what == "a number":
        data[-3] ^= 1
        path.write_bytes(data)
    elif what == "the scale":
        field = gguf.GGUFReader(path).fields["adapter.lora.alpha"]
        at = field.offset + sum(part.nbytes for part in field.parts[:-1])
        data[at + 3] ^= 1
        path.write_bytes(data)
    else:
        fewer = dict(list(deltas(carried).items())[:-1])
        write_alone(Plan(carried, RECIPES["llama"], "f32", fewer), path)
    with pytest.raises(Refusal):
        read_alone_back(plan, path)


# --- refusals -------------------------------------------------------------------------------------

REFUSED: dict[str, dict[str, Any]] = {
    "dora": {"use_dora": True},  # by all but merged
    "dora-and-more": {"use_dora": True, "modules_to_save": ["norm"]},
    "whole-layers": {"modules_to_save": ["norm"]},
    "whole-head": {"modules_to_save": ["lm_head"]},
    "biases": {"bias": "lora_only", "lora_bias": True},
    "tied-head": {"target_modules": ["q_proj", "lm_head"]},
    "embedding": {"target_modules": ["q_proj", "embed_tokens"]},
    "new-tokens": {"trainable_token_indices": [5, 6]},
    "pissa": {"init_lora_weights": "pissa"},
}


@pytest.mark.parametrize("shape", sorted(REFUSED))
def test_what_no_target_can_load_is_refused_by_each_before_anything_is_written(
    tmp_path: Path, shape: str
) -> None:
    base = base_of(tmp_path, "qwen2", tie_word_embeddings=True)
    adapter = adapter_of(tmp_path, base, **{"target_modules": ["q_proj"], **REFUSED[shape]})
    carried = replace(carried_of(base, adapter), given=("--unverified",))
    for name, target in TARGETS.items():
        facts = target.why_not(carried, "f32")
        if (name, shape) == ("merged", "dora"):
            assert facts is None
            continue
        assert isinstance(facts, SetupFacts) and facts.problem == "target-cannot-load", name
        assert not facts.nearest or TARGETS["merged"].why_not(carried, "") is None, facts.nearest
        assert shape != "dora" or facts.nearest.endswith("--to merged --unverified")


def test_every_command_that_a_refusal_names_has_the_words_that_this_adapter_needs(
    tmp_path: Path,
) -> None:
    """An adapter of no run needs `--unverified`, and one whose base was named, its base."""
    base = base_of(tmp_path, "qwen2", tie_word_embeddings=False)
    adapter = adapter_of(tmp_path, base, target_modules=["q_proj", "lm_head"])
    more = ("--unverified", "--model", "there")
    carried = replace(carried_of(base, adapter), given=more, source=adapter)
    for name in ("vllm", "sglang", "mlx"):
        facts = TARGETS[name].why_not(carried, "")
        assert facts is not None
        words = shlex.split(facts.nearest)
        assert words == ["suretune", "export", str(adapter), "--to", "merged", *more]
