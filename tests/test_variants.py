"""PEFT's variants of LoRA on the real path: how each starts, learns, is dosed, saved, opened."""

from __future__ import annotations

import shutil
from collections import OrderedDict
from dataclasses import replace
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from conftest import codes, suretune, write_rows
from shallow import shallow_pocket
from suretune import rundir
from suretune.config import Resolved, options
from suretune.data.base import find_base
from suretune.export import TARGETS
from suretune.model.attention import PACKED
from suretune.model.fused import keep_all
from suretune.model.load import load_base
from suretune.model.lora import attach, load_adapter, save_adapter, trainable
from suretune.model.memory import least_needed, measuring
from suretune.model.packed_batch import make_pass, token_losses
from suretune.model.stack import make_stack
from suretune.model.variants import dosed, lora_layers, still
from suretune.options_lora import LoraOptions
from suretune.pocket import MODEL
from suretune.preflight.check import check
from suretune.preflight.flags import misused_flags
from suretune.prepare.cards import SIZES
from suretune.record.journal import Journal, Stopped
from suretune.run.dose import fold
from suretune.run.fit import make_learner, open_base
from suretune.run.resume import reopen
from suretune.train import checkpoint
from suretune.train.door import Engine
from suretune.train.engine import Fast
from suretune.train.flat_adamw import FlatAdamW
from suretune.train.loop import Learner, gradient, make_scale, train, wearing
from suretune.train.plain_engine import Plain
from test_export import carried_of
from test_families_matrix import ROWS, checked_of, logits_of
from test_fused import rows
from test_laws import checked_run
from tiny_models import write

CPU = torch.device("cpu")
DORA = LoraOptions(use_dora=True)
PISSA = LoraOptions(init_weights="pissa")
BOTH = LoraOptions(init_weights="pissa_niter_4", use_dora=True, use_rslora=True)
PLUS = LoraOptions(lorap_lr_ratio=16)
EVERY = {"lora": LoraOptions(), "dora": DORA, "pissa": PISSA, "pissa dora": BOTH, "lora+": PLUS}
variants = pytest.mark.parametrize("asked", EVERY.values(), ids=EVERY)


def base_of(dtype: str = "float32") -> Any:
    return load_base(shallow_pocket(), CPU, dtype, PACKED)


def learner_of(
    asked: LoraOptions,
    decay: float = 0.0,
    dtype: str = "float32",
    *,
    fast: bool = False,
    seed: int = 1,
) -> Learner:
    """As `run.fit.make_learner` puts it together."""
    tuned = attach(base_of(dtype), asked, "pocket", seed)
    adapters = FlatAdamW(
        trainable(tuned), decay, ratio=asked.lorap_lr_ratio, still=still(tuned, asked),
        other_dosed=partial(dosed, tuned),
    )  # fmt: skip
    engine: Engine = Plain(tuned, adapters, CPU, 4096)
    if fast:
        stack = make_stack(tuned.base_model.model)
        assert not isinstance(stack, str), stack
        engine = Fast(stack, adapters, CPU, 4096, keep_all(stack), graphs=False)
    return Learner(tuned, adapters, engine, make_scale("float32"), CPU, 1.0)


def learn(learner: Learner, updates: int = 3, rate: float = 2e-3) -> list[float]:
    """Some updates over three rows; their losses."""
    given = rows(20, 9, 33)
    weight = sum(row.loss_weight for row in given)
    losses = []
    for _ in range(updates):
        losses.append(gradient(learner, given, weight)[0])
        learner.adapters.set_rate(rate)
        learner.engine.apply()
    return losses


def logits(model: Any) -> Tensor:
    with torch.no_grad():
        return _said(model)


def _said(model: Any) -> Tensor:
    return token_losses(model, make_pass(rows(20, 9, 33), CPU))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@variants
def test_off_is_the_base_bit_for_bit_before_and_after(asked: LoraOptions, dtype: str) -> None:
    """And at the start nothing is added: PiSSA's, within rounding, of which there are two parts."""
    base = base_of(dtype)
    before, weights = logits(base), {n: p.clone() for n, p in base.named_parameters()}
    learner = learner_of(asked, dtype=dtype)
    bound = 0 if not asked.from_base else 1e-5 if dtype == "float32" else 0.1
    assert (logits(learner.model) - before).abs().max() <= bound
    learn(learner)
    assert not torch.equal(logits(learner.model), before)
    with learner.model.disable_adapter():
        assert torch.equal(logits(learner.model), before)
    inner = learner.model.base_model.model
    now = {name.replace(".base_layer", ""): p for name, p in inner.named_parameters()}
    assert all(torch.equal(now[name], weight) for name, weight in weights.items())
    with learner.engine.base() as talker:
        assert torch.equal(logits(talker), before)


# --- against PEFT ---------------------------------------------------------------------------------


def by_peft(rate: float = 2e-3, updates: int = 3, ratio: float = 1.0, **how: Any) -> PeftModel:
    """PEFT's own variant, trained by torch's AdamW on the same rows."""
    torch.manual_seed(1)
    model = get_peft_model(base_of(), LoraConfig(r=8, lora_alpha=32, target_modules="all-linear",
                                                 task_type="CAUSAL_LM", **how))  # fmt: skip
    late = [p for n, p in trainable(model).items() if "lora_A" not in n]
    early = [p for n, p in trainable(model).items() if "lora_A" in n]
    adamw = torch.optim.AdamW(
        [{"params": early, "lr": rate}, {"params": late, "lr": rate * ratio}], weight_decay=0.0
    )
    given = rows(20, 9, 33)
    batch = make_pass(given, CPU)
    for _ in range(updates):
        adamw.zero_grad()
        nats = token_losses(model, batch)
        ((nats * batch.weights).sum() / sum(row.loss_weight for row in given)).backward()
        torch.nn.utils.clip_grad_norm_([*early, *late], 1.0)
        adamw.step()
    return model


@pytest.mark.parametrize(
    ("asked", "how"),
    [
        (DORA, {"use_dora": True}),
        (PISSA, {"init_lora_weights": "pissa"}),
        (PLUS, {"ratio": 16.0}),
    ],
    ids=["dora", "pissa", "lora+"],
)
def test_it_learns_what_pefts_own_does(asked: LoraOptions, how: dict[str, Any]) -> None:
    """PEFT takes PiSSA's start out of the base and has the rank; the model is the same."""
    learner, other = learner_of(asked), by_peft(**how)
    learn(learner)
    before = logits(base_of())
    mine, theirs = logits(learner.model), logits(other)
    assert (mine - before).abs().max() > 0.1
    assert torch.allclose(mine, theirs, atol=2e-3), (mine - theirs).abs().max()
    layers = dict(lora_layers(other))
    for name, layer in lora_layers(learner.model):
        a, b = (getattr(layer, f"lora_{part}")["default"].weight for part in "AB")
        wanted_a, wanted_b = (getattr(layers[name], f"lora_{x}")["default"].weight for x in "AB")
        assert torch.allclose(a[:8], wanted_a, atol=2e-3)
        assert torch.allclose(b[:, :8], wanted_b, atol=2e-3)


def by_hand(layer: Any, x: Tensor) -> Tensor:
    """What a DoRA layer says to x (..., in), from its weights: the paper's equation 5."""
    base, scale = layer.get_base_layer(), layer.scaling["default"]
    a, b = layer.lora_A["default"].weight, layer.lora_B["default"].weight
    whole = base.weight + scale * b @ a
    length = whole.norm(dim=1)
    magnitude = layer.lora_magnitude_vector["default"].weight
    return torch.nn.functional.linear(x, whole * (magnitude / length)[:, None], base.bias)


@variants
def test_the_file_on_the_original_base_by_plain_peft_says_what_memory_says(
    asked: LoraOptions, tmp_path: Path
) -> None:
    """Bit for bit, and by our own loader, which finds each tensor where it belongs."""
    learner = learner_of(asked)
    learn(learner)
    save_adapter(learner.model, tmp_path)
    mine = logits(learner.model.eval())
    by_them = PeftModel.from_pretrained(base_of(), tmp_path)
    assert torch.equal(logits(by_them.eval()), mine)
    assert by_them.peft_config["default"].init_lora_weights is True
    by_us, match = load_adapter(base_of(), tmp_path)
    assert match.saved == match.matched == len(learner.adapters.parameters) and not match.odd
    assert torch.equal(logits(by_us), mine)
    assert not torch.equal(logits(base_of()), mine)
    _, match = load_adapter(base_of("bfloat16"), tmp_path)
    assert match.saved == match.matched and not match.odd
    if asked.use_dora:
        name, layer = next(lora_layers(learner.model))
        x = torch.randn(5, layer.in_features)
        assert torch.allclose(layer(x), by_hand(layer, x), atol=1e-5), name


# --- the optimizer --------------------------------------------------------------------------------


def test_half_of_a_pissa_adapter_never_moves_whatever_pulls_at_it() -> None:
    learner = learner_of(PISSA, decay=0.1)
    start = {n: p.detach().clone() for n, p in learner.adapters.parameters.items()}
    learn(learner)
    for name, stays in still(learner.model, PISSA).items():
        p = learner.adapters.parameters[name]
        assert torch.equal(p[stays], start[name][stays]) and stays.sum() * 2 == stays.numel()
        assert p.grad is not None and not p.grad[stays].any()
        assert bool((p[~stays] != start[name][~stays]).all())
    assert learner.adapters.learned * 2 == learner.adapters.values.numel()


def test_decay_pulls_what_learns_as_torch_does_and_leaves_magnitudes() -> None:
    """The gradient is nothing: what moves is moved by decay alone."""
    learner = learner_of(LoraOptions(use_dora=True, lorap_lr_ratio=4), decay=0.1)
    values = learner.adapters
    values.parameters[next(n for n in values.parameters if "lora_B" in n)].data.fill_(0.5)
    start = {n: p.detach().clone() for n, p in values.parameters.items()}
    values.zero()
    values.set_rate(0.01)
    values.step()
    for name, p in values.parameters.items():
        times = 0 if "magnitude" in name else 4 if "lora_B" in name else 1
        assert torch.allclose(p, start[name] * (1 - 0.01 * 0.1 * times), rtol=1e-6, atol=0)
        assert times or torch.equal(p, start[name])


def test_a_ratio_of_one_is_no_lora_plus() -> None:
    """By way of two rates that are the same, too."""
    one, other, parted = (learner_of(LoraOptions(lorap_lr_ratio=r)) for r in (None, 1, 2))
    parted.adapters.times = (1.0, 1.0)
    for learner in (one, other, parted):
        learn(learner)
    assert torch.equal(one.adapters.values, other.adapters.values)
    assert torch.equal(one.adapters.values, parted.adapters.values)
    assert len(parted.adapters.optimizer.param_groups) == 2


@pytest.mark.parametrize("asked", [PISSA, PLUS], ids=["pissa", "lora+"])
def test_the_fast_engine_learns_it_as_the_plain_one(asked: LoraOptions) -> None:
    plain, fast = learner_of(asked, 0.01), learner_of(asked, 0.01, fast=True)
    losses = [learn(learner) for learner in (plain, fast)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    # Adam makes whole steps of gradients that are nearly nothing, either way.
    gap = (plain.adapters.values - fast.adapters.values).abs()
    assert gap.mean() < 1e-4 and (gap > 1e-4).float().mean() < 0.01


def test_the_fast_engine_says_why_it_does_not_take_dora() -> None:
    assert make_stack(attach(base_of(), DORA, "pocket", 1).base_model.model) == "DoRA"


# --- the state ------------------------------------------------------------------------------------


@variants
def test_saved_and_restored_it_learns_on_to_the_same_bits(
    asked: LoraOptions, tmp_path: Path
) -> None:
    learner = learner_of(asked, decay=0.1)
    learn(learner, 2)
    checkpoint.save(tmp_path, 2, learner, lambda folder, step: None, {})
    kept: dict[str, Tensor] = {}
    learner.adapters.copy(kept)
    state = {name: tensor.clone() for name, tensor in learner.adapters.state().items()}
    learn(learner, 2)
    other = learner_of(asked, decay=0.1, seed=9)
    assert checkpoint.restore(tmp_path / "checkpoints" / "step-000002", other) == 2
    there = other.adapters.state()
    assert there.keys() == state.keys() and all(torch.equal(there[n], state[n]) for n in state)
    learn(other, 2)
    assert torch.equal(other.adapters.values, learner.adapters.values)
    third = learner_of(asked, decay=0.1, seed=9)  # as recovery goes back, in the same process
    learn(third, 1)
    third.adapters.put_back(kept)
    learn(third, 2)
    assert torch.equal(third.adapters.values, learner.adapters.values)


@variants
def test_silent_it_is_the_base(asked: LoraOptions) -> None:
    """So that a row which the base cannot compute is told from one that learning has broken."""
    learner = learner_of(asked)
    learn(learner)
    with wearing(learner, learner.adapters.silent()):
        assert torch.equal(logits(learner.model), logits(base_of()))


# --- the dose -------------------------------------------------------------------------------------


def effective(layer: Any) -> Tensor:
    """The matrix (out, in) by which an adapted layer multiplies, in float64."""
    weight = layer.get_base_layer().weight.double()
    a, b = (getattr(layer, f"lora_{part}")["default"].weight.double() for part in "AB")
    whole = weight + layer.scaling["default"] * b @ a
    if "default" not in layer.lora_magnitude_vector:
        return whole
    magnitude = layer.lora_magnitude_vector["default"].weight.double()
    return whole * (magnitude / whole.norm(dim=1))[:, None]


@pytest.mark.parametrize("dose", [0.3, 0.7])
@variants
def test_a_dose_is_that_share_of_what_each_matrix_changed_by(
    asked: LoraOptions, dose: float
) -> None:
    learner = learner_of(asked)
    learn(learner, 6)
    layers = dict(lora_layers(learner.model))
    base = {n: layer.get_base_layer().weight.double() for n, layer in layers.items()}
    full = {name: effective(layer) for name, layer in layers.items()}
    fold(learner, dose)
    for name, layer in layers.items():
        wanted = base[name] + dose * (full[name] - base[name])
        assert (full[name] - base[name]).abs().max() > 1e-3
        assert torch.allclose(effective(layer), wanted, atol=2e-6)
    assert all(torch.equal(n.get_base_layer().weight.double(), base[m]) for m, n in layers.items())


# --- a run's own door -----------------------------------------------------------------------------

FAMILIES = {
    "qwen2": {"use_dora": True},
    "qwen3_5-wrapped": {"init_weights": "pissa", "layers_to_transform": ("1",)},
    "gemma3": {"use_dora": True, "use_rslora": True, "init_weights": "pissa_niter_4"},
    "phi3": {"init_weights": "pissa_niter_16", "lora_rank": 40},  # more than some matrices have
    "gpt_oss": {"use_dora": True, "lorap_lr_ratio": 8.0, "layers_to_transform": ("0",)},
    "llama3": {"lorap_lr_ratio": 16.0, "layers_to_transform": ("1",)},
}


@pytest.mark.parametrize("name", FAMILIES)
def test_a_run_of_any_family_learns_it_in_passes_of_any_size_and_reads_it_again(
    name: str, tmp_path: Path
) -> None:
    """By the door that `sft` takes: L3, L4, L6, and the base beneath."""
    asked = FAMILIES[name]
    folder = write(tmp_path / "base", name)
    checked = checked_of(folder, write_rows(tmp_path / "rows.jsonl", ROWS), **asked)
    plain = logits_of(load_base(checked.base, CPU, "float32"), list(checked.samples))
    torch.manual_seed(3)
    journal = Journal()
    model = open_base(checked.base, "float32", CPU, ("all-linear",), journal)
    learner, samples = make_learner(model, checked, journal), list(checked.samples)
    list(train(learner, samples, checked.plan, 0))
    weight = sum(sample.loss_weight for sample in samples)
    together = gradient(learner, samples, weight)
    packed, learner.engine.tokens_per_pass = learner.adapters.gradient.clone(), 1
    assert together == pytest.approx(gradient(learner, samples, weight), rel=1e-4)
    assert (packed - learner.adapters.gradient).norm() <= 1e-3 * packed.norm() > 0
    fold(learner, 0.6)
    save_adapter(learner.model, tmp_path)
    fresh, match = load_adapter(load_base(checked.base, CPU, "float32"), tmp_path)
    assert match.odd == () and match.matched == match.saved == len(learner.adapters.parameters)
    ours, again = logits_of(learner.model, samples), logits_of(fresh, samples)
    with learner.model.disable_adapter():
        off = logits_of(learner.model, samples)
    for mine, theirs, without, base in zip(ours, again, off, plain, strict=True):
        assert torch.equal(mine, theirs) and torch.equal(without, base)
        assert not torch.equal(mine, base)


# --- on the command line --------------------------------------------------------------------------

ON_THE_COMMAND_LINE = {
    "all of them": (
        *("--use_dora", "true", "--init_weights", "pissa_niter_4", "--lorap_lr_ratio", "4"),
        *("--weight_decay", "0.1"),
    ),
    "dora": ("--use_dora", "true"),
    "pissa": ("--init_weights", "pissa_niter_4", "--weight_decay", "0.1"),
    "lora+": ("--lorap_lr_ratio", "4", "--weight_decay", "0.1"),
}


@pytest.mark.parametrize("flags", ON_THE_COMMAND_LINE.values(), ids=ON_THE_COMMAND_LINE)
def test_a_run_of_each_is_proven_saved_resumed_and_exported(
    flags: tuple[str, ...], tmp_path: Path, identity_file: Path
) -> None:
    """Taken back to the first of two updates and resumed it has the same bits, at half its
    strength; merged it says what it says beside its base."""
    probe = tmp_path / "probe.txt"
    probe.write_text("你是谁?\n")
    words = (
        "--model", "pocket", "--dataset", identity_file, "--max_steps", 2, "--save_steps", 1,
        "--probes", probe, "--general_questions", 100, "--gradient_accumulation_steps", 4,
        "--adapter_dose", 0.5, "--learning_rate", 2e-3, "--anchor_ratio", 0, "--json", *flags,
    )  # fmt: skip
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    done = suretune("sft", *words, "--output_dir", whole, timeout=600)
    assert done.returncode in (0, 6), done.stdout[-2000:] + done.stderr[-2000:]
    assert ("V027" in codes(done)) == ("--use_dora" in flags) and "R001" not in codes(done)
    result = rundir.read_json(whole / "proof" / "result.json")
    assert result["same_base"] is True and result["logits_gap"] == 0 < result["logits_change"]
    assert result["tensors_saved"] == result["tensors_matched"] and not result["tensors_unexpected"]
    told = rundir.read_json(whole / "adapter" / "adapter_config.json")
    twice = 2 if "--init_weights" in flags else 1
    assert (told["r"], told["lora_alpha"]) == (8 * twice, 32 * twice)
    assert told["use_dora"] is ("--use_dora" in flags) and told["init_lora_weights"] is True
    assert rundir.read_json(whole / "report.json")["adapter"]["rank"] == 8 * twice
    shutil.copytree(whole, cut)
    shutil.rmtree(cut / "checkpoints" / "step-000002")
    (cut / rundir.SEAL).unlink(missing_ok=True)
    done = suretune("resume", cut, timeout=600)
    assert done.returncode in (0, 6), done.stderr[-2000:]
    for name in ("adapter", "checkpoints/step-000002"):
        a, b = (load_file(run / name / "adapter_model.safetensors") for run in (whole, cut))
        assert a and a.keys() == b.keys() and all(torch.equal(a[n], b[n]) for n in a)
    (tmp_path / "out").mkdir()
    carried = carried_of(MODEL, whole / "adapter")
    assert TARGETS["merged"].why_not(carried, "") is None
    TARGETS["merged"].write(carried, "", tmp_path / "out")
    with torch.no_grad():
        merged = load_base(find_base(str(tmp_path / "out"), weights=True), CPU, "float32", PACKED)
        base = load_base(find_base("pocket", weights=True), CPU, "float32", PACKED)
        before = logits(base)
        tuned = load_adapter(base, whole / "adapter")[0]
        gap = (logits(merged) - logits(tuned)).abs().max()
        assert gap < 0.1 * (logits(merged) - before).abs().max()


# --- what is said before --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "flag", "other"),
    [
        ({"use_dora": True, "tuner": "qlora"}, "--use_dora true", "--train_type qlora"),
        ({"use_dora": True, "base_dtype": "fp8"}, "--use_dora true", "--base_dtype fp8"),
        ({"init_weights": "pissa", "tuner": "qlora"}, "--init_weights pissa", "--train_type qlora"),
    ],
)
def test_what_a_packed_base_does_not_have_is_refused(
    asked: dict[str, Any], flag: str, other: str
) -> None:
    (found,) = misused_flags(Resolved.default().with_values("flag", **asked))
    assert (found.problem, found.flag, found.value) == ("conflicting-flags", flag, other)
    fits = {"init_weights": "pissa", "base_dtype": "fp8"}, {"lorap_lr_ratio": 4, "tuner": "qlora"}
    assert not [f for o in fits for f in misused_flags(Resolved.default().with_values("flag", **o))]


@pytest.mark.parametrize(
    ("word", "value"),
    [("pissa", "pissa"), ("PiSSA-niter-8", "pissa_niter_8"), ("True", "true"), ("olora", None),
     ("pissa_niter_0", None), ("pissa_niter_", None), ("", None), ("pissa_niter_999", None)],
)  # fmt: skip
def test_a_start_is_one_that_is_known(word: str, value: str | None) -> None:
    spec = options()["init_weights"]
    if value is not None:
        assert spec.parse(word) == value
        return
    with pytest.raises(ValueError):
        spec.parse(word)
    assert (spec.elsewhere_only(word) is not None) == (word == "olora")


def test_the_rate_that_is_chosen_is_that_of_b(identity_file: Path) -> None:
    """What was measured moves both alike; sixteen times that for B was seen to cost the base."""
    usual, plus = (
        checked_run(identity_file, **how).resolved for how in ({}, {"lorap_lr_ratio": 16.0})
    )
    rate = usual.config.schedule.learning_rate
    assert rate and plus.config.schedule.learning_rate == pytest.approx(rate / 16, rel=0.05)
    assert "16" in plus.origins["learning_rate"].rpartition(";")[2]
    asked = checked_run(identity_file, lorap_lr_ratio=16.0, learning_rate=1e-3).resolved
    assert asked.config.schedule.learning_rate == 1e-3


@pytest.mark.parametrize("rank", [8, 9])
def test_the_rank_of_the_files_is_what_vllm_is_told_of(rank: int, identity_file: Path) -> None:
    journal = Journal()
    asked = {"model": "pocket", "dataset": (str(identity_file),), "init_weights": "pissa"}
    check(Resolved.default().with_values("flag", lora_rank=rank, **asked), journal)
    found = [finding for finding in journal.findings if finding.code == "V001"]
    assert bool(found) == (rank > 8)
    if found:
        assert "`--max-lora-rank 32`" in found[0].fix.en and "`--lora_rank 8`" in found[0].fix.en


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_what_dora_measures_with_is_in_the_forecast(dtype: torch.dtype) -> None:
    """The most bytes that a pass of few tokens holds, by torch's own count, and what is planned."""
    shape = replace(SIZES["Qwen2.5-0.5B"], hidden=256, inner=768, bytes=dtype.itemsize)
    holder = nn.Sequential(OrderedDict(down_proj=nn.Linear(768, 256, bias=False, dtype=dtype)))
    model = get_peft_model(holder, LoraConfig(r=4, use_dora=True, target_modules=["down_proj"]))
    x = torch.randn(2, 768, dtype=dtype)
    model(x)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        model(x)
    events = seen.profiler.kineto_results.events()
    moves = sorted((e.start_ns(), e.nbytes()) for e in events if e.name() == "[memory]")
    most = max(accumulate(size for _, size in moves))
    assert measuring(shape) == pytest.approx(most, rel=0.02)
    wanted = [least_needed(replace(shape, lengths=on), 8, 512, 256) for on in (False, True)]
    assert wanted[1] - wanted[0] == pytest.approx(most, rel=0.02)


def test_a_run_begun_before_there_were_variants_goes_on(trained: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    about = rundir.read_json(run / "run.json")
    younger = ("use_dora", "lorap_lr_ratio", "init_weights")
    about["settings"] = {n: v for n, v in about["settings"].items() if n not in younger}
    rundir.write_json(run / "run.json", about)
    lines = (run / "config.yaml").read_text("utf-8").splitlines(keepends=True)
    kept = [line for line in lines if not line.startswith(younger)]
    assert len(lines) - len(kept) == 3
    (run / "config.yaml").write_text("".join(kept), "utf-8")
    assert reopen(run, Journal()).resolved.config.lora == LoraOptions()
    about["settings"]["use_dora"] = True
    rundir.write_json(run / "run.json", about)
    with pytest.raises(Stopped, match="S013"):
        reopen(run, Journal())
