"""Every architecture that people tune, on the real path, as a tiny random checkpoint: what is read
is the checkpoint, rows do not see each other, an adapter learns and is the same when it is read
again, and what stays frozen is said.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    PreTrainedModel,
)

from conftest import as_json, codes, suretune, within, write_rows
from suretune import rundir
from suretune.config import Resolved
from suretune.data.base import Base, find_base
from suretune.data.parts import file_prefix, frozen_parts, is_text
from suretune.export import TARGETS
from suretune.export.delta import base_tensors, places
from suretune.families import architectures, fused_layers, wrappers
from suretune.model import weight_stream
from suretune.model.attention import PACKED, attention_for, mixing
from suretune.model.decode_layers import logits, read
from suretune.model.generate import answering, spoken
from suretune.model.load import load_base
from suretune.model.lora import APART, load_adapter, save_adapter, trainable
from suretune.model.nf4 import Nf4Linear
from suretune.model.nf4_loading import packed_layers
from suretune.model.packed_batch import make_pass, token_losses
from suretune.model.stack import Stack, make_stack
from suretune.preflight.check import Checked, check
from suretune.record.journal import Journal
from suretune.refusal import Refusal
from suretune.run.fit import make_learner, open_base
from suretune.train.engine import Fast
from suretune.train.loop import Applied, Learner, gradient, train
from suretune.types import Sample
from test_export import carried_of
from tiny_models import EXPECTED, TINY, write

CPU = torch.device("cpu")
NAMES = sorted(TINY)
FAST = [name for name in NAMES if fused_layers(TINY[name].kind)]
WRAPPED = [name for name in NAMES if TINY[name].wrapper]
ROWS = [
    {"messages": [{"role": "user", "content": asked}, {"role": "assistant", "content": said}]}
    for asked, said in (
        ("Who are you?", "Glow."),
        ("Sort 3 1 2.", "1 2 3"),
        ("你好", "你好，我是小光。"),
    )
]
DEEP = 1e-4  # of gradients through four layers, by float32


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Each checkpoint, written when it is first asked for."""
    place = tmp_path_factory.mktemp("tiny")

    class Made(dict[str, Path]):
        def __missing__(self, name: str) -> Path:
            self[name] = write(place / name, name)
            return self[name]

    return Made()


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_rows(tmp_path_factory.mktemp("rows") / "rows.jsonl", ROWS)


def checked_of(folder: Path, rows: Path, journal: Journal | None = None, **more: Any) -> Checked:
    asked = {"model": str(folder), "dataset": (str(rows),), "device": "cpu", **more}
    few = {"max_steps": 2, "lora_rank": 4, "anchor_ratio": 0.0}  # of which these look at none
    values = {"torch_dtype": "float32", **few, **asked}
    resolved = Resolved.default().with_values("flag", **values)
    return check(resolved, journal or Journal())


def base_at(folder: Path) -> Base:
    return find_base(str(folder), weights=True)


def learner_of(checked: Checked) -> Learner:
    """By the door that `suretune sft` takes, with adapters that already say something."""
    journal = Journal()
    targets = checked.resolved.config.lora.target_modules
    model = open_base(checked.base, "float32", CPU, targets, journal)
    learner = make_learner(model, checked, journal)
    torch.manual_seed(3)
    for name, parameter in trainable(learner.model).items():
        if "lora_B" in name:
            parameter.data.normal_(0, 0.05)
    learner.engine.restored()
    return learner


def logits_of(model: nn.Module, samples: list[Sample]) -> list[Tensor]:
    model.eval()
    with torch.no_grad():
        return [token_losses(model, make_pass([sample], CPU)) for sample in samples]


def whole_model(folder: Path, name: str) -> PreTrainedModel:
    """As transformers itself opens the checkpoint, by the class that its config names."""
    auto = AutoModelForImageTextToText if TINY[name].wrapper else AutoModelForCausalLM
    made: PreTrainedModel = auto.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager"
    )
    return made.eval()


@pytest.mark.parametrize("name", NAMES)
def test_what_is_loaded_is_the_checkpoint(name: str, folders: dict[str, Path]) -> None:
    """Its text model alone answers text as the whole does, to the last token."""
    model, whole = (
        load_base(base_at(folders[name]), CPU, "float32"),
        whole_model(folders[name], name),
    )
    ids = torch.arange(5, 45)[None]
    with torch.no_grad():
        ours = model(input_ids=ids, **_bounds(model, ids.shape[1])).logits
        theirs = whole(input_ids=ids).logits
    assert torch.allclose(ours, theirs, rtol=1e-4, atol=1e-4), float((ours - theirs).abs().max())
    assert not any("vision" in key or "visual" in key for key, _ in model.named_parameters())


@pytest.mark.parametrize("name", [n for n in FAST if n != "phi4-mini"])
def test_the_fast_engine_learns_what_the_plain_one_learns(
    name: str, folders: dict[str, Path], rows: Path
) -> None:
    """The same updates by either, as a run asks for them."""
    ends = []
    for fused in (False, True):
        checked = checked_of(folders[name], rows, fused=fused)
        learner = learner_of(checked)
        assert isinstance(learner.engine, Fast) is fused
        done = [e for e in train(learner, list(checked.samples), checked.plan, 0)]
        assert sum(isinstance(e, Applied) for e in done) == 2
        ends.append({n: p.detach().clone() for n, p in learner.adapters.parameters.items()})
    plain, fast = ends
    assert plain.keys() == fast.keys()
    for key, learned in plain.items():
        assert float((fast[key] - learned).norm()) <= DEEP * float(learned.norm()), key


@pytest.mark.parametrize("name", FAST)
def test_the_fast_layers_read_the_checkpoint(name: str, folders: dict[str, Path]) -> None:
    """Laid into groups, the text model answers as the whole checkpoint does, at every token."""
    model, prompt = load_base(base_at(folders[name]), CPU, "float32"), list(range(5, 45))
    stack = make_stack(model, learning=False)
    if name == "phi4-mini":  # a part of a head is turned: the plain engine has it, as is said
        assert isinstance(stack, str) and "rotary" in stack
        return
    assert isinstance(stack, Stack), stack
    hidden: dict[int, Tensor | None] = {0: None}
    with torch.inference_mode():
        read(stack, [prompt], None, whole=hidden)
        assert hidden[0] is not None
        ours = logits(stack, hidden[0], False)
        theirs = whole_model(folders[name], name)(input_ids=torch.tensor([prompt])).logits[0]
    assert torch.allclose(ours, theirs, rtol=1e-4, atol=1e-4), float((ours - theirs).abs().max())


def _bounds(model: PreTrainedModel, length: int) -> dict[str, Any]:
    if model.config._attn_implementation != PACKED:
        return {}
    ends = torch.tensor([0, length], dtype=torch.int32)
    return {"cu_seq_lens_q": ends, "cu_seq_lens_k": ends, "max_length_q": length,
            "max_length_k": length}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_it_learns_and_what_is_read_again_is_what_was_learned(
    name: str, folders: dict[str, Path], rows: Path, tmp_path: Path
) -> None:
    checked = checked_of(folders[name], rows)
    learner, samples = learner_of(checked), list(checked.samples)
    tuned = {n.split("layers.")[-1].partition(".")[2].split(".lora_")[0]
             for n in trainable(learner.model)}  # fmt: skip
    assert tuned == EXPECTED.get(name, EXPECTED[""])
    together, _ = gradient(learner, samples, 1.0)
    packed = {
        n: p.grad.clone() for n, p in learner.adapters.parameters.items() if p.grad is not None
    }
    learner.engine.tokens_per_pass = 1
    alone, _ = gradient(learner, samples, 1.0)
    assert abs(together - alone) <= 1e-5 * abs(alone)
    for key, parameter in learner.adapters.parameters.items():
        assert parameter.grad is not None
        gap = float((packed[key] - parameter.grad).norm())
        assert gap <= DEEP * float(parameter.grad.norm()) + 1e-7, key
    before = {n: p.detach().clone() for n, p in learner.adapters.parameters.items()}
    applied = [e for e in train(learner, samples, checked.plan, 0) if isinstance(e, Applied)]
    assert len(applied) == 2
    after = learner.adapters.parameters
    assert all(not torch.equal(after[n], before[n]) for n in before)
    save_adapter(learner.model, tmp_path)
    fresh, match = load_adapter(load_base(checked.base, CPU, "float32"), tmp_path)
    assert match.odd == () and match.matched == match.saved == len(before)
    for ours, again in zip(
        logits_of(learner.model, samples), logits_of(fresh, samples), strict=True
    ):
        assert torch.equal(ours, again)


@pytest.mark.parametrize("name", NAMES)
def test_answers_of_a_batch_are_those_of_each_alone_without_a_cache(
    name: str, folders: dict[str, Path]
) -> None:
    """Prompts of several lengths, of which some end before others."""
    model = load_base(base_at(folders[name]), CPU, "float32")
    prompts = [list(range(5, 5 + n)) for n in (3, 11, 17, 4)]
    alone = []
    with torch.inference_mode(), answering(model):
        for prompt in prompts:
            said = list(prompt)
            for _ in range(7):
                logits = model(input_ids=torch.tensor([said]), use_cache=False).logits
                said.append(int(logits[0, -1].argmax()))
            alone.append(said[len(prompt) :])
    stops = frozenset({alone[0][2], alone[1][4]})
    ended = [next((n for n, t in enumerate(said) if t in stops), 7) for said in alone]
    assert spoken(model, prompts, stops, 7) == [a[:n] for a, n in zip(alone, ended, strict=True)]


@pytest.mark.parametrize("name", NAMES)
def test_check_speaks_of_what_stays_frozen_and_of_other_names(
    name: str, folders: dict[str, Path], rows: Path
) -> None:
    """In its own words for experts and for what is not text; nothing where all is text."""
    done = within("check", "--model", folders[name], "--dataset", rows, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    said = {finding["code"]: finding for finding in as_json(done)["findings"]}
    experts = name in ("qwen3_moe", "qwen3_5_moe-wrapped", "gpt_oss", "gemma4-moe")
    assert ("S056" in said) == (experts or name in WRAPPED)
    assert ("V023" in said) == (name in WRAPPED)
    if experts:
        assert "experts and routers" in said["S056"]["what"]["en"]
        assert "专家和路由" in said["S056"]["what"]["zh"]
    if name in WRAPPED:  # before the weights are here, too
        (folders[name] / "model.safetensors").rename(folders[name] / "away")
        early = base_at(folders[name])
        assert file_prefix(early) == NEW
        assert [part.share for part in frozen_parts(early)] == [0.0] * (1 + experts)
        (folders[name] / "away").rename(folders[name] / "model.safetensors")
        assert "images" in said["S056"]["what"]["en"] and "图像" in said["S056"]["what"]["zh"]
        assert f"`{PREFIX.get(name, NEW)}layers`" in said["V023"]["what"]["en"]
        assert said["V023"]["fix"]["en"].startswith("After training: `suretune export runs --to v")


NEW = "model.language_model."
PREFIX = {  # as older checkpoints are written, and those that came from Mistral
    "gemma3-wrapped": "language_model.model.",
    "mistral-wrapped": "language_model.model.",
    "ministral3-wrapped": "language_model.model.",
}


@pytest.mark.parametrize("wanted", [weight_stream.everything, is_text])
@pytest.mark.parametrize("name", WRAPPED)
def test_weights_that_were_streamed_are_the_text_model_too(
    name: str, wanted: Any, folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All tensors of the files, or those that a reader on the card leaves of them."""
    base = base_at(folders[name])
    plain = load_base(base, CPU, "float32").state_dict()
    path = folders[name] / "model.safetensors"
    there = {key: tensor for key, tensor in load_file(path).items() if wanted(key)}
    assert weight_stream._plain(path, torch.float32, wanted)
    stream = SimpleNamespace(device=CPU, tensors={}, wanted=wanted)
    with path.open("rb") as file:
        blocks = weight_stream.Stream._blocks(stream, file.fileno())  # type: ignore[arg-type]
    assert {k: t.shape for k, t in stream.tensors.items()} == {k: t.shape for k, t in there.items()}
    assert sum(len(block.there) for block in blocks) == sum(t.nbytes for t in there.values())
    monkeypatch.setattr(weight_stream, "take", lambda folder: there)
    streamed = load_base(base, CPU, "float32").state_dict()
    assert plain.keys() == streamed.keys()
    assert all(torch.equal(plain[key], streamed[key]) for key in plain)


@pytest.mark.parametrize("name", ["qwen3_5-wrapped", "gemma3-wrapped", "ministral3-wrapped"])
@pytest.mark.parametrize("how", ["gone", "odd"])
def test_a_text_model_is_read_strictly_in_whatever_checkpoint(
    name: str, how: str, folders: dict[str, Path], tmp_path: Path
) -> None:
    """A layer's tensor that is not there, or one that nothing in the text model takes, is refused;
    what belongs to other parts is not."""
    base, weights = base_at(folders[name]), load_file(folders[name] / "model.safetensors")
    key = next(k for k in sorted(weights) if k.endswith("layers.1.mlp.up_proj.weight"))
    if how == "gone":
        del weights[key]
    else:
        weights[key.replace("up_proj", "side_proj")] = torch.zeros(2, 2)
    for path in folders[name].iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(Refusal, match=r"layers\.1\.mlp\.(up|side)_proj"):
        load_base(replace(base, folder=tmp_path), CPU, "float32")


@pytest.mark.parametrize("name", WRAPPED)
def test_the_export_has_the_names_of_the_checkpoints_own_class(
    name: str, folders: dict[str, Path], rows: Path, tmp_path: Path
) -> None:
    """PEFT finds every layer of it on the class that the checkpoint names, and there it answers as
    the text model with the adapter does. What was trained is found there not at all."""
    checked = checked_of(folders[name], rows)
    learner, ids = learner_of(checked), torch.arange(5, 45)[None]
    with torch.no_grad():
        ours = learner.model.eval()(input_ids=ids, **_bounds(learner.model, ids.shape[1])).logits
    (tmp_path / "out").mkdir()
    save_adapter(learner.model, tmp_path)
    carried = carried_of(folders[name], tmp_path)
    target = TARGETS["vllm"]
    assert target.why_not(carried, "") is None
    target.write(carried, "", tmp_path / "out")
    kept = {n.split(".lora_")[0] for n in load_file(tmp_path / "out" / "adapter_model.safetensors")}
    there = load_file(folders[name] / "model.safetensors")
    assert all(f"{n.removeprefix('base_model.model.')}.weight" in there for n in kept)
    if PREFIX.get(name, NEW) != NEW:  # the file's names are older than those of transformers' class
        return
    tuned = PeftModel.from_pretrained(whole_model(folders[name], name), tmp_path / "out").eval()
    with torch.no_grad():
        theirs = tuned(input_ids=ids).logits
        with tuned.disable_adapter():
            base = tuned(input_ids=ids).logits
    assert torch.allclose(ours, theirs, rtol=1e-4, atol=1e-4)
    assert float((base - theirs).abs().max()) > 0.05


@pytest.mark.parametrize("name", [name for name, tiny in TINY.items() if tiny.wrapper])
def test_a_packed_text_model_is_rounded_where_it_was_packed(
    name: str, folders: dict[str, Path]
) -> None:
    """What an export rounds are the layers that loading packed, each at its place in the text part;
    gates and routers are not among them."""
    base = find_base(str(folders[name]), weights=True).packed_as("nf4")
    model = load_base(base, torch.device("cpu"), "float32")
    loaded = [n for n, m in model.named_modules() if isinstance(m, Nf4Linear)]
    assert packed_layers(base.folder) == loaded and loaded
    assert all(n.startswith("model.") and not APART.search(n) for n in loaded)
    there = base_tensors(base.folder)
    assert all(is_text(tensor) for tensor in places(there, loaded).values())


# --- rows that share a pass -----------------------------------------------------------------------


@pytest.mark.parametrize("odd", [
    {"model_type": ["qwen3_5"]}, {"architectures": {"a": 1}}, {"architectures": []},
    {"architectures": [None]}, {"text_config": None}, {"text_config": {"vocab_size": "many"}},
    {"text_config": {"num_hidden_layers": "two", "num_experts": []}},
])  # fmt: skip
def test_a_config_of_several_parts_that_is_odd_is_no_traceback(
    odd: dict[str, Any], folders: dict[str, Path], rows: Path, tmp_path: Path
) -> None:
    for path in folders["qwen3_5-wrapped"].iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    told = rundir.read_json(tmp_path / "config.json")
    rundir.write_json(tmp_path / "config.json", told | odd)
    done = within("check", "--model", tmp_path, "--dataset", rows, "--json")
    assert done.returncode in (0, 4) and "failed" not in done.stderr, done.stderr


def test_every_architecture_and_wrapper_is_in_the_matrix() -> None:
    assert {tiny.kind for tiny in TINY.values()} == set(architectures())
    assert {tiny.wrapper for tiny in TINY.values()} - {""} == set(wrappers())


def test_dropped_scores_are_computed_row_by_row() -> None:
    config = TINY["seed_oss"].text_config()
    assert attention_for(config) == PACKED
    config.attention_dropout = 0.1
    assert attention_for(config) == "eager"


def test_no_architecture_that_carries_a_state_is_ever_packed() -> None:
    """By what its config says of its layers, known here or not, and by its modules."""
    for kind, about in architectures().items():
        for name in (n for n in NAMES if TINY[n].kind == kind):
            with torch.device("meta"):
                model = AutoModelForCausalLM.from_config(TINY[name].text_config())
            carries = bool(mixing(model))
            assert not (carries and about.packed), (name, mixing(model))
            assert attention_for(model.config) == (PACKED if about.packed else "eager"), name
            for odd in ("linear_attention", "conv", "mamba", "recurrent", "hybrid"):
                model.config.layer_types = ["full_attention", odd]
                assert attention_for(model.config) == "eager", (name, odd)


CARRYING = {  # a few of those that nobody lists, small
    "lfm2": {"layer_types": ["conv", "full_attention"]},
    "mamba2": {"num_heads": 4, "head_dim": 16, "state_size": 8, "n_groups": 1},
    "falcon_h1": {"mamba_d_ssm": 64, "mamba_n_heads": 4, "mamba_d_head": 16, "mamba_d_state": 8},
    "bamba": {"attn_layer_indices": [1], "mamba_n_heads": 4, "mamba_d_head": 16},
    "granitemoehybrid": {"layer_types": ["mamba", "attention"], "mamba_n_heads": 8,
                         "mamba_d_head": 8},
    "jamba": {"attn_layer_period": 2, "attn_layer_offset": 1, "mamba_d_state": 8},
    "nemotron_h": {"layers_block_type": ["mamba", "attention"], "mamba_num_heads": 4,
                   "mamba_head_dim": 16, "ssm_state_size": 8, "n_groups": 1},
    "recurrent_gemma": {"block_types": ["recurrent", "attention"], "lru_width": 32},
    "rwkv": {"attention_hidden_size": 32},
    "zamba2": {"layers_block_type": ["mamba", "hybrid"], "mamba_d_state": 8},
    "qwen3_next": {"layer_types": ["linear_attention", "full_attention"], "num_experts": 2,
                   "linear_num_key_heads": 2, "linear_num_value_heads": 4},
    "minimax": {"layer_types": ["linear_attention", "full_attention"], "num_local_experts": 2},
    "kimi_linear": {}, "olmo_hybrid": {}, "xlstm": {}, "mamba": {}, "falcon_mamba": {},
}  # fmt: skip


@pytest.mark.parametrize("kind", sorted(CARRYING))
def test_one_that_nobody_lists_is_known_by_its_modules(kind: str) -> None:
    """What is listed by mistake is still not packed: the modules tell."""
    sizes = {"vocab_size": 64, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
             "num_attention_heads": 4, "num_key_value_heads": 2, "pad_token_id": 0}  # fmt: skip
    config = AutoConfig.for_model(kind, **{**sizes, **CARRYING[kind]})
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    assert mixing(model) and attention_for(config) == "eager"


# --- a whole run ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["qwen3_5-wrapped", "gemma4-e2b", "gpt_oss"])
def test_a_whole_run_ends_in_a_verdict(name: str, folders: dict[str, Path], tmp_path: Path) -> None:
    """Of the most unlike. A base of random weights answers nothing right, so what it forgot is not
    measured and there is no seal; all else of the proof holds in a fresh process."""
    many = [{"instruction": f"Say {n}.", "output": f"{n}, and no more."} for n in range(12)]
    (tmp_path / "probes.txt").write_text("Say 3.\n")
    run = tmp_path / "run"
    done = suretune(
        "sft", "--model", folders[name], "--dataset", write_rows(tmp_path / "rows.jsonl", many),
        "--max_steps", 3, "--probes", tmp_path / "probes.txt", "--general_questions", 100,
        "--output_dir", run, "--json", timeout=600,
    )  # fmt: skip
    assert done.returncode == 8, done.stdout[-2000:] + done.stderr[-2000:]
    wrapped = ["V023"] if name in WRAPPED else []
    assert sorted(set(codes(done))) == ["R018", "S056", *wrapped]
    found = rundir.read_json(run / "proof" / "result.json")
    assert found["tensors_unexpected"] == []
    assert found["tensors_matched"] == found["tensors_saved"] > 0
    vllm = rundir.read_json(run / "report.json")["adapter"]["vllm"]
    assert vllm["loads"] == (name not in WRAPPED)
    assert name not in WRAPPED or "--to vllm" in vllm["why"]["en"]
