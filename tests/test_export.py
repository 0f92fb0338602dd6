"""Exports: what is written is what was proven, whole or not at all, and refused before it is
written where the target has no place for it. What needs llama.cpp is skipped without it.
"""

from __future__ import annotations

import errno
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors import safe_open
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModelForCausalLM

from conftest import as_json, codes, result_of, within
from suretune import rundir
from suretune.data.base import find_base
from suretune.data.render import prompt_ids
from suretune.data.template import load_tokenizer
from suretune.data.thinking import with_usual
from suretune.data.weights import header
from suretune.deploy.export import Wanted, export, sentences
from suretune.deploy.export_proof import adapter_logits, seal_of
from suretune.export import TARGETS
from suretune.export.delta import deltas, places
from suretune.export.door import RAN, RULES, Asked, Carried, Conversations, Heard, Written
from suretune.export.gguf_layers import frequency_factors, in_pairs
from suretune.export.gguf_words import words_of
from suretune.export.merged import unmergeable, with_old_names, write_merged
from suretune.export.turns import rendered, turns_of
from suretune.export.whole import whole
from suretune.facts import SetupFacts
from suretune.guards import judge
from suretune.model.generate import spoken
from suretune.model.load import load_base
from suretune.options import Config
from suretune.pocket import MODEL
from suretune.record.journal import Journal, Stopped
from suretune.record.meant import Meant
from suretune.refusal import Refusal
from suretune.typed import vllm_rank
from suretune.types import Message, Text
from suretune.verify.probes import TEMPLATE_DEFAULT

LLAMACPP = importlib.util.find_spec("xllamacpp") is not None
GGUF = importlib.util.find_spec("gguf") is not None
ALL = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
WORDS = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "generation_config.json")
SIZES: dict[str, Any] = {
    "vocab_size": 4096, "hidden_size": 256, "intermediate_size": 512, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 1024,
    "bos_token_id": None, "eos_token_id": 2, "pad_token_id": 0,
}  # fmt: skip
FAMILIES: dict[str, dict[str, Any]] = {
    "llama": {},
    "llama3": {"model_type": "llama", "rope_parameters": {
        "rope_type": "llama3", "rope_theta": 500000.0, "factor": 8.0, "low_freq_factor": 1.0,
        "high_freq_factor": 4.0, "original_max_position_embeddings": 256}},
    "mistral": {"sliding_window": None, "head_dim": 64},
    "qwen2": {},
    "qwen3": {"head_dim": 64},
    "phi3": {"sliding_window": None, "original_max_position_embeddings": 1024},
    "gemma": {"head_dim": 64},
    "gemma2": {"head_dim": 64, "query_pre_attn_scalar": 64, "sliding_window": 512},
    "gemma3_text": {"head_dim": 64, "query_pre_attn_scalar": 64, "sliding_window": 512},
}  # fmt: skip

CAPPED: dict[str, dict[str, Any]] = {
    "gemma2": {"attn_logit_softcapping": 0.5},  # so low that all scores feel it
    "gpt_oss": {
        "head_dim": 64,
        "num_local_experts": 2,
        "num_experts_per_tok": 1,
        "sliding_window": 128,
        "layer_types": ["sliding_attention", "full_attention"],
        "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0},
    },
}


def base_of(tmp: Path, family: str, **more: Any) -> Path:
    """A tiny base with random weights, with the pocket model's words."""
    told = {"model_type": family, **SIZES, **FAMILIES.get(family, {}), **more}
    folder = tmp / f"{family}-base"
    kind = told.pop("model_type")
    torch.manual_seed(0)
    config = AutoConfig.for_model(kind, **told)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    for name, weight in model.named_parameters():
        if "norm" in name:  # all one: a norm that is left out would not be seen
            weight.data += torch.randn_like(weight) * 0.1
    model.save_pretrained(folder)
    for name in WORDS:
        shutil.copyfile(MODEL / name, folder / name)
    return folder


def adapter_of(tmp: Path, base: Path, seed: int = 1, **settings: Any) -> Path:
    """An adapter of PEFT's own making, with a B that is not zero."""
    settings = {"r": 4, "lora_alpha": 8, "target_modules": "all-linear", **settings}
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    tuned = get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", **settings))
    torch.manual_seed(seed)
    for name, weight in tuned.named_parameters():
        if "lora_B" in name:
            weight.data.normal_(0, 0.05)
    folder = tmp / f"adapter-{len(list(tmp.iterdir()))}"
    tuned.save_pretrained(folder, save_embedding_layers=False)
    return folder


def carried_of(base: Path, adapter: Path) -> Carried:
    found = find_base(str(base), weights=True)
    shapes = {
        name: each.shape for name, each in header(adapter / "adapter_model.safetensors").items()
    }
    config = rundir.read_json(adapter / "adapter_config.json")
    return Carried("glow", adapter, found, load_tokenizer(base), None, config, shapes)


# --- merged ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("settings", [
    {}, {"r": 5}, {"r": 64}, {"use_rslora": True, "r": 8},
    {"rank_pattern": {"q_proj": 2}, "alpha_pattern": {"layers.1.mlp.down_proj": 24}},
], ids=["plain", "rank-5", "rank-64", "rslora", "patterns"])  # fmt: skip
def test_what_is_added_is_what_peft_adds(tmp_path: Path, settings: dict[str, Any]) -> None:
    adapter = adapter_of(tmp_path, MODEL, target_modules=list(ALL), **settings)
    model = AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32)
    from peft import PeftModel

    tuned = PeftModel.from_pretrained(model, adapter)
    modules = dict(tuned.base_model.model.named_modules())
    for layer, delta in deltas(carried_of(MODEL, adapter)).items():
        weight = modules[layer].base_layer.weight.data
        theirs = weight + modules[layer].get_delta_weight("default")
        assert torch.allclose(delta.added_to(weight), theirs, rtol=0, atol=1e-6), layer


def test_untouched_tensors_are_byte_for_byte_and_touched_ones_rounded_once(tmp_path: Path) -> None:
    carried = carried_of(MODEL, adapter_of(tmp_path, MODEL, target_modules=["q_proj"]))
    out = tmp_path / "out"
    out.mkdir()
    written = write_merged(carried, out)
    old, new = (load_file(folder / "model.safetensors") for folder in (MODEL, out))
    changes = deltas(carried)
    for name, weight in old.items():
        change = changes.get(name.removesuffix(".weight"))
        meant = weight if change is None else change.added_to(weight).to(weight.dtype)
        assert torch.equal(new[name].view(torch.uint8), meant.view(torch.uint8)), name
    assert written.figures["tensors_changed"] == len(changes) == 6
    assert written.figures["tensors_copied"] == len(old) - 6
    with (MODEL / "model.safetensors").open("rb") as a, (out / "model.safetensors").open("rb") as b:
        size = 8 + int.from_bytes(a.read(8), "little")
        a.seek(0)
        assert a.read(size) == b.read(size)


def test_weights_that_rounding_swallowed_are_counted(tmp_path: Path) -> None:
    adapter = adapter_of(tmp_path, MODEL, target_modules=["v_proj"])
    carried = carried_of(MODEL, adapter)
    (tmp_path / "out").mkdir()
    told = write_merged(carried, tmp_path / "out").figures
    old, new = (load_file(f / "model.safetensors") for f in (MODEL, tmp_path / "out"))
    meant = same = 0
    for layer, delta in deltas(carried).items():
        weight = old[f"{layer}.weight"]
        moved = delta.added_to(weight) != weight.float()
        meant += int(moved.sum())
        same += int((moved & (new[f"{layer}.weight"] == weight)).sum())
    assert (told["weights_meant"], told["weights_swallowed"]) == (meant, same)
    assert 0 < same < meant


def test_a_base_in_shards_stays_in_shards(tmp_path: Path) -> None:
    base = tmp_path / "sharded"
    model = AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.bfloat16)
    model.save_pretrained(base, max_shard_size="4MB")
    for name in WORDS:
        shutil.copyfile(MODEL / name, base / name)
    carried = carried_of(base, adapter_of(tmp_path, base, target_modules=list(ALL)))
    out = tmp_path / "out"
    out.mkdir()
    write_merged(carried, out)
    shards = sorted(path.name for path in base.glob("*.safetensors"))
    assert len(shards) > 1 and shards == sorted(path.name for path in out.glob("*.safetensors"))
    from suretune.model.generate import last_logits

    merged = AutoModelForCausalLM.from_pretrained(out, dtype=torch.float32).eval()
    prompts = [[1, 5, 9, 300]]
    gap = (last_logits(merged, prompts) - adapter_logits(carried, prompts)).abs().max()
    assert gap < 0.05


@pytest.mark.parametrize("family", ["gemma2", "gpt_oss"])
def test_an_architecture_that_sdpa_does_not_know_answers_and_is_proven_as_any_other(
    tmp_path: Path, family: str, forks: None
) -> None:
    """Soft-capped scores (Gemma 2) and sinks (gpt-oss): transformers ends with an error where it is
    asked for SDPA."""
    base = base_of(tmp_path, family, **CAPPED.get(family, {}))
    adapter = adapter_of(tmp_path, base, target_modules=["q_proj", "v_proj"])
    carried = carried_of(base, adapter)
    model = load_base(carried.base, torch.device("cpu"), "float32", "sdpa")
    plain = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32).eval()
    prompt = torch.tensor([[5, 9, 300, 17, 4]])
    told = plain.generate(prompt, max_new_tokens=6, do_sample=False, eos_token_id=None)
    assert spoken(model, [prompt[0].tolist()], frozenset(), 6) == [told[0, 5:].tolist()]
    (tmp_path / "out").mkdir()
    write_merged(carried, tmp_path / "out")
    ask = TARGETS["merged"].asks(carried, tmp_path / "out")
    assert ask is not None
    heard = ask([(Message("user", "Hello."),)], 4)
    assert heard.ids is not None and heard.logits is not None
    assert (heard.logits - adapter_logits(carried, heard.ids)).abs().max() < 1e-4


def test_the_rotary_embedding_is_said_where_older_programs_look() -> None:
    config = {"rope_parameters": {"rope_type": "default", "rope_theta": 10000.0}}
    assert with_old_names(config) == {**config, "rope_theta": 10000.0}
    scaled = {"rope_parameters": {"rope_type": "linear", "factor": 2.0, "rope_theta": 1e6}}
    assert with_old_names(scaled)["rope_scaling"] == {"rope_type": "linear", "factor": 2.0}
    known = {"rope_theta": 5.0}
    assert with_old_names(known) == known


def test_a_layer_is_found_where_a_checkpoint_of_several_parts_has_it() -> None:
    there = ["model.language_model.layers.0.mlp.up_proj.weight", "model.visual.layers.0.x.weight"]
    assert places(there, ["model.layers.0.mlp.up_proj"]) == {"model.layers.0.mlp.up_proj": there[0]}
    with pytest.raises(LookupError):
        places(there, ["model.layers.1.mlp.up_proj"])


# --- what a target cannot load --------------------------------------------------------------------


@pytest.mark.parametrize("target", sorted(TARGETS))
@pytest.mark.parametrize("settings", [
    {"use_dora": True}, {"modules_to_save": ["norm"]}, {"bias": "lora_only", "lora_bias": True},
    {"target_modules": ["q_proj", "lm_head"]},
], ids=["dora", "whole-layers", "biases", "tied-lm_head"])  # fmt: skip
def test_what_is_more_than_lora_is_refused_before_anything_is_written(
    tmp_path: Path, target: str, settings: dict[str, Any]
) -> None:
    adapter = adapter_of(tmp_path, MODEL, **{"target_modules": ["q_proj"], **settings})
    facts = TARGETS[target].why_not(carried_of(MODEL, adapter), "")
    if target == "merged" and "use_dora" in settings:  # test_export_shapes.py holds what it writes
        assert facts is None
        return
    assert isinstance(facts, SetupFacts) and facts.problem == "target-cannot-load"  # E001
    assert facts.hint and facts.hint.en and facts.hint.zh


def test_a_head_of_its_own_is_merged_and_not_loaded_as_an_adapter(tmp_path: Path) -> None:
    base = base_of(tmp_path, "qwen2", tie_word_embeddings=False)
    carried = carried_of(base, adapter_of(tmp_path, base, target_modules=["q_proj", "lm_head"]))
    assert unmergeable(carried, "merged") is None
    for target in ("vllm", "sglang", "mlx"):
        facts = TARGETS[target].why_not(carried, "")
        assert facts is not None and facts.nearest.endswith("--to merged")


@pytest.mark.parametrize(("rank", "flag"), [(5, 8), (8, 8), (9, 16), (64, 64), (500, 512)])
def test_vllm_is_given_room_for_the_rank(rank: int, flag: int) -> None:
    assert vllm_rank(rank) == flag


@pytest.mark.parametrize("target", ["vllm", "sglang"])
def test_the_script_is_the_printed_command_wherever_the_folder_lies(
    tmp_path: Path, target: str
) -> None:
    carried = carried_of(MODEL, adapter_of(tmp_path, MODEL, target_modules=["q_proj"]))
    folder = tmp_path / "model"  # a word that stands in the base's path, too
    folder.mkdir()
    TARGETS[target].write(carried, "", folder)
    script = (folder / "serve.sh").read_text(encoding="utf-8").splitlines()[-1]
    printed = TARGETS[target].commands(carried, folder)[0]
    assert script.removeprefix("exec ").replace('"$here"', str(folder)) == printed
    assert str(folder) not in script and str(MODEL) in script


def test_an_architecture_that_gguf_is_not_written_for_names_the_converter(tmp_path: Path) -> None:
    base = base_of(tmp_path, "olmo2")
    carried = replace(carried_of(base, adapter_of(tmp_path, base)), given=("--unverified",))
    facts = TARGETS["gguf"].why_not(carried, "")
    assert facts is not None
    merged, fetched, needed, converted = facts.nearest.split(" && ")
    assert merged.endswith("--to merged --out merged --unverified") and "git clone" in fetched
    assert needed == "pip install sentencepiece"
    assert converted == "python llama.cpp/convert_hf_to_gguf.py merged --outfile model.gguf"


# --- whole or not at all --------------------------------------------------------------------------


def writes_slowly(final: Path, told: int) -> None:
    """Forty files and a last one, each told by a byte when it is written."""
    with whole(final) as part:
        for n in range(40):
            (part / f"{n}.bin").write_bytes(bytes(200_000))
            os.write(told, b".")
            time.sleep(0.005)
        (part / "last").write_text("whole")


def test_killed_at_any_moment_there_is_no_half_folder(tmp_path: Path) -> None:
    """One kill after each of some writes, the last ones after the rename, too."""
    whole_ones = 0
    for after in (0, 1, 5, 17, 30, 38, 39, 39, 40, 40):
        final = tmp_path / f"out-{after}-{whole_ones}"
        heard, told = os.pipe()
        process = os.fork()  # a new Python would import for seconds, ten times
        if process == 0:
            try:
                writes_slowly(final, told)
            finally:
                os._exit(0)
        os.close(told)
        for _ in range(after):
            os.read(heard, 1)
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        os.close(heard)
        if final.exists():
            assert (final / "last").read_text() == "whole" and len(list(final.iterdir())) == 41
            whole_ones += 1
        with whole(tmp_path / f"{final.name}-again"):
            pass
    assert whole_ones < 10


def test_the_next_export_removes_what_a_killed_one_left(tmp_path: Path) -> None:
    done = subprocess.Popen([sys.executable, "-c", "0"])
    done.wait()
    left = tmp_path / f".export-out-{done.pid}"
    left.mkdir()
    mine = tmp_path / f".export-out-{os.getppid()}"  # of a process that runs
    mine.mkdir()
    with whole(tmp_path / "out") as part:
        (part / "a").write_text("b")
    assert not left.exists() and mine.exists() and (tmp_path / "out" / "a").read_text() == "b"


def test_a_failure_amid_writing_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), whole(tmp_path / "out") as part:
        (part / "a").write_text("b")
        raise RuntimeError
    assert not list(tmp_path.iterdir())


def test_a_name_that_is_taken_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("x")
    with pytest.raises(FileExistsError), whole(tmp_path / "out"):
        pass
    assert (tmp_path / "out" / "mine").read_text() == "x"


@pytest.mark.parametrize("out", ["out", "deeper/out"])
def test_where_no_folder_can_be_made_an_export_is_refused(
    out: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, *_: Any, **__: Any) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    monkeypatch.setattr(Path, "mkdir", refuse)
    final = tmp_path / out
    with pytest.raises(Refusal) as refused, whole(final):
        pass
    (finding,) = judge(refused.value.facts)
    told = f"{final.parent} cannot be written to: the file system is read-only (EROFS)."
    assert finding.code == "S009" and finding.what.en == told
    assert finding.fix.en == "Name a place that you may write to with `--out`."


def test_an_export_below_a_file_is_not_already_there(tmp_path: Path) -> None:
    (tmp_path / "keep.jsonl").write_text("{}")
    with pytest.raises(Refusal) as refused, whole(tmp_path / "keep.jsonl" / "deeper" / "out"):
        pass
    (finding,) = judge(refused.value.facts)
    assert finding.code == "S009"


# --- GGUF -----------------------------------------------------------------------------------------


@pytest.mark.skipif(not GGUF, reason="gguf is not installed")
@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_every_family_is_read_back_and_answered_by_llama_cpp(tmp_path: Path, family: str) -> None:
    base = base_of(tmp_path, family)
    carried = carried_of(base, adapter_of(tmp_path, base))
    target, out = TARGETS["gguf"], tmp_path / "out"
    assert target.why_not(carried, "f32") is None
    out.mkdir()
    assert set(target.write(carried, "f32", out).types) == {"F32"}
    ask = target.asks(carried, out)
    if ask is None:
        pytest.skip("xllamacpp is not installed")
    from suretune.data.render import prompt_ids

    talks = [
        (Message("user", "Sort 3 1 2."),),
        (Message("user", "Who are you? 12 中文"),),
        (Message("system", "Hi"), Message("user", "é")),
    ]
    heard = ask(talks, 4)
    prompts = [prompt_ids(carried.tokenizer, talk) for talk in talks]
    assert heard.ids == prompts
    ours = adapter_logits(carried, prompts).log_softmax(-1)
    for row, told in enumerate(heard.scores):
        for token, score in told.items():
            assert abs(score - ours[row, token].item()) < 0.02, (family, row, token)
    assert any(heard.scores), "every answer ends with its first token: take another seed"


@pytest.mark.skipif(not LLAMACPP, reason="xllamacpp is not installed")
def test_the_adapter_alone_on_the_base_is_the_adapter(tmp_path: Path) -> None:
    """Of Llama, whose queries and keys lie otherwise in a GGUF; with scales that differ."""
    from suretune.export import llamacpp

    base = base_of(tmp_path, "llama")
    adapter = adapter_of(tmp_path, base, alpha_pattern={"v_proj": 16})
    carried = carried_of(base, adapter)
    nothing = carried_of(base, _silent(tmp_path, adapter))
    for name, each in (("with", carried), ("without", nothing)):
        (tmp_path / name).mkdir()
        TARGETS["gguf"].write(each, "f32", tmp_path / name)
    talk = [(Message("user", "Who are you?"),)]
    one = llamacpp.ask("gguf", tmp_path / "with" / "model.gguf", talk, 4)
    two = llamacpp.ask(
        "gguf", tmp_path / "without" / "model.gguf", talk, 4, tmp_path / "with" / "adapter.gguf"
    )
    base_alone = llamacpp.ask("gguf", tmp_path / "without" / "model.gguf", talk, 4)
    common = one.scores[0].keys() & two.scores[0].keys()
    assert len(common) > 20
    assert max(abs(one.scores[0][t] - two.scores[0][t]) for t in common) < 0.01
    other = one.scores[0].keys() & base_alone.scores[0].keys()
    assert not other or max(abs(one.scores[0][t] - base_alone.scores[0][t]) for t in other) > 0.01


@pytest.mark.skipif(not LLAMACPP, reason="xllamacpp is not installed")
def test_llama_cpp_is_told_the_mode_that_was_learned(tmp_path: Path) -> None:
    """It tells a template `enable_thinking` of its own accord: left alone, it sends another prompt
    than was trained, whatever the template has as its default."""
    base = base_of(tmp_path, "llama")
    thought = "{% if enable_thinking is defined and not enable_thinking %}no{% endif %}"
    path = base / "chat_template.jinja"
    plain = load_tokenizer(base)
    path.write_text(plain.template + "{% if add_generation_prompt %}" + thought + "{% endif %}")
    words = with_usual(load_tokenizer(base), False)
    path.write_text(words.template)
    carried = replace(carried_of(base, adapter_of(tmp_path, base)), tokenizer=load_tokenizer(base))
    (tmp_path / "out").mkdir()
    target = TARGETS["gguf"]
    target.write(carried, "f32", tmp_path / "out")
    asked = target.asks(carried, tmp_path / "out")
    assert asked is not None
    talk = (Message("user", "Who are you?"),)
    meant = prompt_ids(carried.tokenizer, talk)
    assert meant != prompt_ids(carried.tokenizer, talk, True)
    ids = asked([talk], 4).ids
    assert ids is not None and list(ids[0]) == meant
    [command] = target.commands(carried, tmp_path / "out")
    assert command.endswith("""--chat-template-kwargs '{"enable_thinking": false}'""")


def _silent(tmp: Path, adapter: Path) -> Path:
    from safetensors.torch import save_file

    folder = tmp / "silent"
    shutil.copytree(adapter, folder)
    path = folder / "adapter_model.safetensors"
    tensors = {n: t * 0 if ".lora_B." in n else t for n, t in load_file(path).items()}
    save_file(tensors, path, metadata={"format": "pt"})
    return folder


@pytest.mark.skipif(not LLAMACPP, reason="xllamacpp is not installed")
def test_four_bits_a_weight_are_what_ggml_reads(tmp_path: Path) -> None:
    import gguf

    base = base_of(tmp_path, "qwen2", intermediate_size=640)
    carried = carried_of(base, adapter_of(tmp_path, base))
    (tmp_path / "out").mkdir()
    types = TARGETS["gguf"].write(carried, "q4_k_m", tmp_path / "out").types
    assert {"Q4_K", "Q6_K", "F32"} <= set(types) and types.keys() & {"Q5_0", "Q8_0"}
    reader = gguf.GGUFReader(tmp_path / "out" / "model.gguf")
    change = deltas(carried)["model.layers.0.self_attn.o_proj"]
    with safe_open(base / "model.safetensors", "pt") as file:
        weight = change.added_to(file.get_tensor("model.layers.0.self_attn.o_proj.weight"))
    told = next(t for t in reader.tensors if t.name == "blk.0.attn_output.weight")
    back = torch.tensor(gguf.dequantize(told.data, told.tensor_type)).reshape(weight.shape)
    assert (back - weight).abs().max() < weight.abs().max() / 8
    assert ((back - weight).norm() / weight.norm()) < 0.1


INST = (
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}"
    "{{ '[INST] ' + m.content + ' [/INST]' }}{% elif m.role == 'assistant' %}"
    "{{ ' ' + m.content + eos_token }}{% else %}{{ raise_exception('none') }}{% endif %}"
    "{% endfor %}"
)
MERGES = (("\u2581", "["), ("I", "N"), ("IN", "S"), ("INS", "T"), ("a", "m"), ("\u2581", "x"))


def sentence_piece(folder: Path, space: str, template: str) -> None:
    """Words as Llama 2 and Mistral have them, over those of a base: BPE of pieces, bytes for the
    rest; `space`: where one is put in front ("never", "prepend", or a scheme of Metaspace)."""
    from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers

    letters = sorted({chr(i) for i in range(33, 127)} | {"\u2581"})
    names = ["<unk>", "<s>", "</s>", *(f"<0x{i:02X}>" for i in range(256)), *letters]
    names += [a + b for a, b in MERGES]
    vocab = {name: index for index, name in enumerate(names)}
    words = Tokenizer(
        models.BPE(vocab, list(MERGES), unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    )
    if space in ("always", "first"):
        words.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=space, split=False)
    else:
        prepend = [normalizers.Prepend("\u2581")] if space == "prepend" else []
        words.normalizer = normalizers.Sequence([*prepend, normalizers.Replace(" ", "\u2581")])
    words.add_special_tokens([AddedToken(n, normalized=False) for n in ("<unk>", "<s>", "</s>")])
    words.save(str(folder / "tokenizer.json"))
    told = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    rundir.write_json(folder / "tokenizer_config.json", told)
    (folder / "chat_template.jinja").write_text(template)


@pytest.mark.skipif(not GGUF, reason="gguf is not installed")
@pytest.mark.parametrize(("space", "first"), [
    ("first", False), ("always", True), ("prepend", True), ("never", False),
])  # fmt: skip
def test_pieces_have_their_spaces_where_they_were_trained(
    tmp_path: Path, space: str, first: bool
) -> None:
    base = base_of(tmp_path, "llama")
    sentence_piece(base, space, INST)
    carried = carried_of(base, adapter_of(tmp_path, base))
    words = words_of(carried.tokenizer, 4096)
    assert not isinstance(words, Text) and words.model == "llama"
    assert words.space_first == first
    out = tmp_path / "out"
    out.mkdir()
    TARGETS["gguf"].write(carried, "f32", out)
    ask = TARGETS["gguf"].asks(carried, out)
    if ask is None:
        pytest.skip("xllamacpp is not installed")
    from suretune.data.render import prompt_ids

    talks = [[Message("user", text)] for text in ("a", " x  y\n", "I am 是 é", "[INST]")]
    talks.append([Message("user", "a"), Message("assistant", "x"), Message("user", "I am")])
    heard = ask(talks, 2)
    assert heard.ids is not None
    assert [list(ids) for ids in heard.ids] == [prompt_ids(carried.tokenizer, t) for t in talks]


@pytest.mark.skipif(not GGUF, reason="gguf is not installed")
@pytest.mark.parametrize(("space", "template"), [
    ("always", INST.replace("'[INST] '", "('[INST] ' if loop.first else ' [INST] ')")),
    ("first", INST.replace("{{ bos_token }}", "")),  # in front of the first text alone
])  # fmt: skip
def test_spaces_that_llama_cpp_would_put_otherwise_are_refused(
    tmp_path: Path, space: str, template: str
) -> None:
    base = base_of(tmp_path, "llama")
    sentence_piece(base, space, template)
    carried = carried_of(base, adapter_of(tmp_path, base))
    for target in ("gguf", "ollama"):
        facts = TARGETS[target].why_not(carried, "")
        assert facts is not None and "[INST]" in facts.hint.en  # type: ignore[union-attr]


def test_rows_in_pairs_are_llamas_order() -> None:
    rows = torch.arange(8.0)[:, None]
    assert in_pairs(rows, 2).ravel().tolist() == [0, 2, 1, 3, 4, 6, 5, 7]


def test_the_factors_of_llama_3_are_those_of_transformers() -> None:
    from transformers import LlamaConfig
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    config = LlamaConfig(**SIZES, rope_parameters=FAMILIES["llama3"]["rope_parameters"])
    theirs, _ = ROPE_INIT_FUNCTIONS["llama3"](config, torch.device("cpu"))
    factors = frequency_factors(config.to_dict())
    assert factors is not None
    plain = 1 / 500000.0 ** (torch.arange(0, 64, 2) / 64)
    assert torch.allclose(plain / factors, theirs, rtol=1e-5)


def test_a_base_with_a_short_window_is_not_written_without_it(tmp_path: Path) -> None:
    base = base_of(tmp_path, "mistral", sliding_window=128)
    facts = TARGETS["gguf"].why_not(carried_of(base, adapter_of(tmp_path, base)), "")
    assert facts is not None and "128" in facts.hint.en  # type: ignore[union-attr]


# --- Ollama ---------------------------------------------------------------------------------------


def test_ollamas_template_makes_the_same_prompts() -> None:
    tokenizer = load_tokenizer(MODEL)
    turns = turns_of(tokenizer, adds_first=False)
    assert not isinstance(turns, Text) and "Qwen" in turns.default
    talks = [[Message("user", "a")], [Message("system", ""), Message("user", "{{ .Content }}")],
             [Message("user", "a\n"), Message("assistant", "b"), Message("user", "c")]]  # fmt: skip
    for talk in talks:
        assert rendered(turns.template(), talk, turns) == tokenizer.render(talk, prompt=True)


@pytest.mark.parametrize("template", [
    "{% for m in messages %}{{ m.content | trim }}|{{ m.role }}\n{% endfor %}",
    "{% for m in messages %}{% if m.role == 'user' %}[{{ messages[0].content }}]{% endif %}"
    "{% endfor %}",
    "{% for m in messages %}<{{ m.role }}{{ loop.index }}>{{ m.content }}\n{% endfor %}",
])  # fmt: skip
def test_a_template_that_ollamas_language_cannot_say_is_refused(template: str) -> None:
    assert isinstance(
        turns_of(load_tokenizer(MODEL).with_template(template), adds_first=False), Text
    )


# --- the whole way --------------------------------------------------------------------------------


class Stub:
    """A target that answers what it is told to."""

    name, quants = "stub", ()

    def __init__(self, heard: Heard | None) -> None:
        self.heard = heard

    def lacks(self, quant: str) -> str:
        return ""

    def why_not(self, carried: Carried, quant: str) -> SetupFacts | None:
        return None

    def write(self, carried: Carried, quant: str, folder: Path) -> Written:
        (folder / "a").write_text("b")
        return Written()

    def asks(self, carried: Carried, folder: Path) -> Asked | None:
        if self.heard is None:
            return None

        def ask(conversations: Conversations, tokens: int) -> Heard:
            assert self.heard is not None
            return self.heard

        return ask

    def commands(self, carried: Carried, folder: Path) -> Sequence[str]:
        return ["run it"]


def wanted(run: Path, out: Path, heard: Heard | None) -> Wanted:
    return Wanted(Meant(run), Stub(heard), out, "", False, "suretune export again")


def test_nothing_is_claimed_that_was_not_shown(trained: Path, tmp_path: Path) -> None:
    told, status = export(wanted(trained, tmp_path / "out", None), Config(), Journal())
    assert (status, told["proof"]["level"], told["proof"]["asked"]) == (0, RULES, 0)
    files = rundir.read_json(tmp_path / "out" / "export.json")["files"]
    assert files == {"a": rundir.sha256(tmp_path / "out" / "a")}


def test_answers_as_sealed_are_told_as_such(trained: Path, tmp_path: Path) -> None:
    seal = seal_of(trained)
    told, status = export(wanted(trained, tmp_path / "o", Heard(seal.answers)), Config(), Journal())
    proof = told["proof"]
    assert (status, proof["level"]) == (0, RAN)
    assert (
        proof["same"] == proof["answers"] == len(seal.answers) and proof["passed"] == proof["then"]
    )
    by = replace(Heard(seal.answers), by="llama.cpp")
    told, _ = export(wanted(trained, tmp_path / "p", by), Config(), Journal())
    assert (told["proof"]["level"], told["proof"]["by"]) == (RULES, "llama.cpp")


def test_what_was_asked_without_a_system_prompt_is_told_apart(
    trained: Path, tmp_path: Path
) -> None:
    """A run with --system is asked both ways; what clients that send none hear is the second."""
    seal = seal_of(trained)
    told, _ = export(wanted(trained, tmp_path / "o", Heard(seal.answers)), Config(), Journal())
    rows = zip(seal.probes, seal.answers, strict=True)
    twins = [bool(p.judge(said)) for p, said in rows if p.variant == TEMPLATE_DEFAULT]
    assert told["proof"]["plain"] == (sum(twins), len(twins)) and twins
    lines = [line.en.strip() for line in sentences(told)]
    assert f"{sum(twins)} of the {len(twins)} that bring no system prompt" in "\n".join(lines)
    alone = {**told, "proof": {**told["proof"], "plain": None}}
    assert len(sentences(alone)) == len(lines) - 1


def test_a_target_that_fails_the_probes_is_told_and_its_files_are_there(
    trained: Path, tmp_path: Path
) -> None:
    before = rundir.recorded(trained / "base_answers.json", "probes")
    journal = Journal()
    told, status = export(wanted(trained, tmp_path / "out", Heard(before)), Config(), journal)
    assert status == 6 and [f.code for f in journal.findings] == ["E003"]
    assert told["proof"]["passed"] < told["proof"]["then"] and (tmp_path / "out" / "a").is_file()


def test_other_token_ids_are_another_model_and_nothing_is_written(
    trained: Path, tmp_path: Path
) -> None:
    seal = seal_of(trained)
    heard = Heard(seal.answers, [[1, 2, 3]] * len(seal.answers))
    with pytest.raises(Stopped) as stopped:
        export(wanted(trained, tmp_path / "out", heard), Config(), Journal())
    assert [f.code for f in stopped.value.findings] == ["E002"] and stopped.value.status == 6
    assert not list(tmp_path.iterdir())


def test_a_run_is_carried_over_by_the_command_line(trained: Path, tmp_path: Path) -> None:
    done = within("export", trained, "--to", "merge", "--out", tmp_path / "m", "--json")
    told = as_json(done)
    assert done.returncode == 0, done.stderr
    proof = told["proof"]
    assert proof["level"] == RAN and proof["gap"] <= proof["bound"]
    assert proof["passed"] >= proof["then"] - 1 and proof["same_ids"] == proof["answers"]
    again = within("export", trained, "--to", "merged", "--out", tmp_path / "m", "--json")
    assert again.returncode == 4 and codes(again) == ["S040"]


@pytest.mark.parametrize(("words", "code", "says"), [
    ((), "C008", "merged, gguf, ollama"),
    (("--to", "vlm"), "C002", "vllm"),
    (("--to", "vllm", "--quant", "q8_0"), "C002", "keeps the numbers"),
    (("--to", "gguf", "--quant", "q3"), "C002", "q8_0"),
    (("--to", "vllm", "sglang"), "C002", "does not accept `vllm sglang`"),
    (("another", "--to", "vllm"), "C002", "One run at a time"),
])  # fmt: skip
def test_what_is_asked_for_wrongly_is_told_with_what_there_is(
    trained: Path, tmp_path: Path, words: tuple[str, ...], code: str, says: str
) -> None:
    done = within("export", trained, *words, "--out", tmp_path / "out", "--json")
    finding = as_json(done)["findings"][0]
    assert (finding["code"], done.returncode) == (code, 2) and says in json.dumps(finding)


def test_nothing_is_written_into_what_is_sealed(trained: Path) -> None:
    done = within("export", trained, "--to", "vllm", "--out", trained / "adapter" / "x", "--json")
    assert done.returncode == 2 and codes(done) == ["C002"]
    assert not (trained / "adapter" / "x").exists()


def test_another_base_is_refused(trained: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(MODEL, other)
    path = other / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    done = within("export", trained, "--to", "merged", "--model", other, "--json", cwd=tmp_path)
    assert done.returncode == 4 and codes(done) == ["S012"]
    assert [each.name for each in tmp_path.iterdir()] == ["other"]


def test_an_adapter_without_a_seal_needs_a_word(tmp_path: Path) -> None:
    adapter = adapter_of(tmp_path, MODEL, target_modules=["q_proj"])
    done = within("export", adapter, "--to", "vllm", "--out", tmp_path / "v", "--json")
    assert done.returncode == 6 and codes(done) == ["V002"]
    assert "--unverified" in as_json(done)["findings"][0]["fix"]["en"]
    done = within(
        "export", adapter, "--to", "vllm", "--out", tmp_path / "v", "--unverified", "--json"
    )
    told = as_json(done)
    assert done.returncode == 0 and told["proof"]["asked"] == 0
    assert "$here" in (tmp_path / "v" / "serve.sh").read_text()


def test_a_missing_package_is_named_with_its_extra(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    asked = Wanted(Meant(trained), TARGETS["gguf"], tmp_path / "o", "", False, "")
    facts = result_of(TARGETS["gguf"].lacks, "q4_k_m")
    assert facts == "gguf"
    with pytest.raises(Stopped) as stopped:
        export(asked, Config(), Journal())
    assert [f.code for f in stopped.value.findings] == ["S030"]
