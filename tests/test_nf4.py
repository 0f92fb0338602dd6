"""NF4: the numbers, the layer, and the laws on the real path with a base that is packed."""

from __future__ import annotations

import hashlib
import shutil
import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from conftest import codes, suretune
from suretune import rundir
from suretune.config import Resolved
from suretune.data.base import find_base
from suretune.data.misfit import wrong_base
from suretune.export.delta import Delta
from suretune.facts import SetupFacts
from suretune.guards import judge
from suretune.model.attention import PACKED
from suretune.model.decode import Decoder
from suretune.model.fused import keep_all
from suretune.model.load import load_base
from suretune.model.lora import attach, trainable
from suretune.model.memory import GIB, fixed, saved, unpacking
from suretune.model.nf4 import (
    LEVELS,
    Nf4,
    Nf4Linear,
    Packed,
    pack,
    parameters_of,
    scale_levels,
    sizes_of,
    unpack_into,
)
from suretune.model.nf4_loading import packed_layers
from suretune.model.packed_batch import make_pass, token_losses
from suretune.model.recompute import Keep, Policy
from suretune.model.stack import make_stack
from suretune.options_lora import LoraOptions
from suretune.preflight.flags import misused_flags
from suretune.prepare.ready import SIZES
from suretune.refusal import Refusal
from suretune.tuning import TUNERS, packing_bytes
from suretune.tuning.qlora import AT_ONCE, BLOCK, NF4, SCALES, nf4_bytes
from test_fused import FAMILIES, batch, fast, gap, plain, rows, stack_of, tuned
from test_fused import exact_norms as exact_norms  # a fixture

CPU = torch.device("cpu")


def matrix(rows: int, columns: int, dtype: torch.dtype = torch.float32) -> Tensor:
    generator = torch.Generator().manual_seed(3)
    each = 0.02 + torch.rand(rows, 1, generator=generator)
    return (torch.randn(rows, columns, generator=generator) * each).to(dtype)


def unpacked(packed: Packed, like: Tensor) -> Tensor:
    out = torch.empty_like(like)
    unpack_into(packed, out)
    return out


def packed_linear(linear: nn.Linear) -> Nf4Linear:
    """A plain layer as loading would have packed it."""
    made, packed = Nf4Linear(linear), pack(linear.weight.data)
    made.weight, made.scales = packed.codes, packed.scales
    made.steps, made.mean = packed.steps, packed.mean
    return made


def pack_bases(model: Any) -> Any:
    """Every adapted layer of a tiny model packed, in place."""
    for module in list(model.modules()):
        if hasattr(module, "base_layer"):
            module.base_layer = packed_linear(module.base_layer)
    return model


def as_dense(model: Any) -> Any:
    """The same numbers in plain layers, in place."""
    for module in list(model.modules()):
        base = getattr(module, "base_layer", None)
        if isinstance(base, Nf4Linear):
            plain_layer = nn.Linear(base.in_features, base.out_features, bias=False)
            plain_layer.weight = nn.Parameter(base.nf4.matrix(), requires_grad=False)
            plain_layer.bias = base.bias
            module.base_layer = plain_layer
    return model


# --- the numbers ----------------------------------------------------------------------------------


def test_the_numbers_are_those_of_bitsandbytes() -> None:
    """`quantize_4bit(w, blocksize=64, compress_statistics=True, quant_type="nf4")` of
    bitsandbytes 0.50.2 on a CPU gave these figures for this matrix."""
    n = torch.arange(64 * 320, dtype=torch.float64)
    swing = 0.02 + 0.08 * torch.frac(n * 0.001)
    weight = (torch.sin(n * n * 0.37) * swing).float().view(64, 320)
    packed = pack(weight)
    assert packed.codes[:12].tolist() == [123, 229, 73, 210, 17, 45, 132, 94, 200, 207, 69, 126]
    assert hashlib.sha256(packed.codes.numpy().tobytes()).hexdigest() == (
        "8eb250bed1152296f721fdc204431f6405d8d6ba4bc91c0d34528d616d8a18e4"
    )
    assert packed.scales[:12].tolist() == [0, 8, 19, 27, 38, 47, 56, 74, 166, 197, 206, 216]
    assert packed.scales[-4:].tolist() == [33, 41, 51, 60] and len(packed.scales) == 320
    assert packed.steps.tolist() == [0.03879272937774658, 0.037859514355659485]
    assert packed.mean.item() == pytest.approx(0.06308327615261078, rel=1e-6)
    back = unpacked(packed, weight)
    assert back.view(-1)[:6].tolist() == pytest.approx([
        0.0, 0.008300316520035267, 0.017758211120963097, -0.004538646899163723,
        -0.006986821535974741, 0.003952978178858757,
    ], rel=1e-6)  # fmt: skip
    assert back.double().sum().item() == pytest.approx(-3.8916151165030897, rel=1e-6)


def test_the_levels_are_quantiles_of_a_normal_distribution() -> None:
    """Appendix E of arXiv 2305.14314: 8 positive and 7 negative quantiles, and an exact zero."""
    offset = 0.9677083
    normal = torch.distributions.Normal(0.0, 1.0)
    above = normal.icdf(torch.linspace(offset, 0.5, 9, dtype=torch.float64)[:-1])
    below = -normal.icdf(torch.linspace(offset, 0.5, 8, dtype=torch.float64)[:-1])
    made = torch.cat([above, torch.zeros(1, dtype=torch.float64), below]).sort().values
    assert torch.allclose(made / made.max(), torch.tensor(LEVELS, dtype=torch.float64), atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize(("rows", "columns"), [(64, 320), (7, 13), (1, 64), (300, 70)])
def test_no_value_is_further_off_than_half_a_gap_of_its_block(
    rows: int, columns: int, dtype: torch.dtype
) -> None:
    weight = matrix(rows, columns, dtype)
    packed = pack(weight)
    back = unpacked(packed, weight.float())
    values = nn.functional.pad(weight.float().view(-1), (0, -weight.numel() % BLOCK))
    scales = values.view(-1, BLOCK).abs().amax(1)
    known = scale_levels(CPU)
    each = packed.steps.repeat_interleave(SCALES)[: len(scales)]
    near = known[packed.scales.long()] * each + packed.mean
    gap_of_scales = float(known.diff().max()) / 2
    assert bool(((near - scales).abs() <= each * gap_of_scales + 1e-6 * scales).all())
    widest = float(torch.tensor(LEVELS).diff().max()) / 2
    bound = (scales * widest + (near - scales).abs()).repeat_interleave(BLOCK)[: weight.numel()]
    wrong = (back - weight.float()).abs().view(-1)
    assert bool((wrong <= bound * 1.00001).all())
    assert bool((wrong > 0).any()) or weight.numel() < 2


def test_zeros_stay_zeros_and_what_is_packed_twice_stays_as_it_is() -> None:
    nothing = torch.zeros(4, 32)
    assert torch.equal(unpacked(pack(nothing), nothing), nothing)
    once = pack(matrix(16, 128))
    assert torch.equal(pack(unpacked(once, matrix(16, 128))).codes, once.codes)


def test_unpacked_in_pieces_or_at_once_it_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    weight = matrix(50, 70)
    packed = pack(weight)
    whole = unpacked(packed, weight)
    monkeypatch.setattr("suretune.model.nf4.AT_ONCE", 3 * BLOCK)
    assert torch.equal(unpacked(packed, weight), whole)
    assert AT_ONCE % BLOCK == 0


def test_what_a_value_takes_is_counted_from_the_parts() -> None:
    codes, scales, steps = sizes_of(4096, 4096)
    assert (codes + scales + 4 * steps) / 4096**2 == nf4_bytes() == packing_bytes(NF4, 2)
    assert 0.5158 < nf4_bytes() < 0.5159 and packing_bytes("", 2) == 2
    assert [one.packed for one in TUNERS.values()] == ["", NF4, ""]


# --- the layer ------------------------------------------------------------------------------------


@pytest.mark.parametrize("bias", [False, True])
def test_the_gradient_is_that_of_a_plain_layer_with_the_unpacked_weight(bias: bool) -> None:
    layer = nn.Linear(70, 30, bias=bias).requires_grad_(False)
    layer.weight.data = matrix(30, 70)
    packed = packed_linear(layer)
    layer.weight.data = packed.nf4.matrix()
    x = torch.randn(3, 5, 70, requires_grad=True)
    dy = torch.randn(3, 5, 30)
    found = []
    for one in (packed, layer):
        y = one(x)
        y.backward(dy)
        assert x.grad is not None
        found.append((y.detach(), x.grad.clone()))
        x.grad = None
    assert torch.allclose(found[0][0], found[1][0], rtol=0, atol=1e-6)
    assert torch.equal(found[0][1], found[1][1])


def test_a_packed_layer_keeps_its_steps_whatever_the_model_becomes() -> None:
    layer = packed_linear(nn.Linear(64, 8, dtype=torch.float32))
    before = layer.nf4.matrix()
    layer.to(torch.bfloat16)
    assert layer.steps.dtype == layer.mean.dtype == torch.float32
    assert layer.nf4.matrix().dtype == torch.bfloat16
    assert torch.equal(layer.nf4.matrix(torch.float32), before)


def test_several_layers_are_one_weight_of_their_rows() -> None:
    parts = [matrix(n, 40) for n in (6, 3, 3)]
    weight = Nf4([pack(part) for part in parts], [6, 3, 3], 40, torch.empty(0))
    alone = torch.cat([unpacked(pack(part), part) for part in parts])
    assert weight.shape == (12, 40) and torch.equal(weight.matrix(), alone)


# --- both engines ---------------------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
def test_fused_equals_plain_on_a_packed_base(family: str) -> None:
    model, given = pack_bases(tuned(family)), batch(20, 9, 14)
    nats, grads = plain(model, given)
    stack = stack_of(model)
    assert all(isinstance(group.weight, Nf4) for group in stack.groups)
    again, fused = fast(model, given, stack, keep_all(stack))
    assert gap(again, nats) < 1e-10
    assert max(gap(fused[name], grads[name]) for name in grads) < 1e-10
    lean = Policy((Keep.INPUT,) * len(stack.layers), 16)
    _, leaner = fast(model, given, stack, lean)
    assert max(gap(leaner[name], grads[name]) for name in grads) < 1e-10


def test_a_packed_base_learns_as_the_plain_one_of_its_numbers() -> None:
    model, given = pack_bases(tuned("Qwen2")), batch(20, 9)
    nats, grads = plain(model, given)
    again, same = plain(as_dense(model), given)
    assert gap(again, nats) < 1e-12
    assert max(gap(same[name], grads[name]) for name in grads) < 1e-12


def test_a_group_of_packed_and_plain_layers_is_told() -> None:
    model = tuned("Qwen2")
    attention = model.base_model.model.model.layers[0].self_attn
    attention.k_proj.base_layer = packed_linear(attention.k_proj.base_layer)
    assert make_stack(model.base_model.model) == "a group of which some layers are packed"


# --- loaded ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pocket() -> Any:
    """The pocket model packed as it is loaded, with adapters that matter."""
    base = find_base("pocket", weights=True).packed_as(NF4)
    model = attach(load_base(base, CPU, "float32", PACKED), LoraOptions(), "pocket", seed=1)
    torch.manual_seed(2)
    for name, p in trainable(model).items():
        if "lora_B" in name:
            p.data.normal_(std=0.02)
    return model


def test_loading_packs_the_linear_layers_and_nothing_else(pocket: Any) -> None:
    base = find_base("pocket", weights=True)
    whole = load_base(base, CPU, "float32", PACKED)
    inner = pocket.base_model.model
    packed = {n: m for n, m in inner.named_modules() if isinstance(m, Nf4Linear)}
    assert len(packed) == 7 * inner.config.num_hidden_layers
    for name, module in packed.items():
        weight = whole.get_submodule(name.removesuffix(".base_layer")).weight
        assert torch.equal(module.nf4.matrix(), unpacked(pack(weight), weight.data))
    assert type(inner.lm_head) is nn.Linear
    assert torch.equal(inner.model.embed_tokens.weight, whole.model.embed_tokens.weight)
    assert torch.equal(inner.model.norm.weight, whole.model.norm.weight)
    learned = sum(p.numel() for p in trainable(pocket).values())
    assert parameters_of(inner) - learned == parameters_of(whole) == whole.num_parameters()
    assert all(p.dtype == torch.float32 for p in trainable(pocket).values())
    assert not hasattr(inner, "hf_quantizer") and not hasattr(inner.config, "quantization_config")


def test_a_matrix_at_a_time_is_there_in_full(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is packed and let go before the next one is read."""
    there: list[Any] = []
    most = 0

    def watched(weight: Tensor) -> Packed:
        nonlocal most
        there.append(weakref.ref(weight))
        most = max(most, sum(one() is not None for one in there))
        return pack(weight)

    monkeypatch.setattr("suretune.model.nf4_loading.pack", watched)
    load_base(find_base("pocket", weights=True).packed_as(NF4), CPU, "float32", PACKED)
    assert len(there) == 42 and most == 1


def test_packed_rows_have_the_losses_that_they_have_alone(pocket: Any) -> None:
    given = rows(20, 9, 33)
    with torch.no_grad():
        together = token_losses(pocket, make_pass(given, CPU))
        alone = torch.cat([token_losses(pocket, make_pass([row], CPU)) for row in given])
    assert torch.allclose(together, alone, rtol=1e-5, atol=1e-6)


def test_a_packed_base_has_another_fingerprint() -> None:
    base = find_base("pocket", weights=True)
    assert (
        base.packed_as(NF4).fingerprint() != base.fingerprint() == base.packed_as("").fingerprint()
    )


def test_a_decoder_answers_from_a_packed_base_as_transformers_does() -> None:
    model = load_base(find_base("pocket", weights=True).packed_as(NF4), CPU, "float32", "sdpa")
    prompt = [5, 6, 7, 8]
    out = model.generate(
        torch.tensor([prompt]), max_new_tokens=8, do_sample=False, eos_token_id=None
    )
    stack = make_stack(model, learning=False)
    assert not isinstance(stack, str)
    assert all(isinstance(group.weight, Nf4) for group in stack.groups)
    said = Decoder(stack).generate([prompt], frozenset(), 8)
    assert said == [out[0, len(prompt) :].tolist()]


# --- opened, exported, refused --------------------------------------------------------------------


def test_a_merged_weight_is_the_packed_one_and_what_the_adapter_adds() -> None:
    weight = matrix(30, 70, torch.bfloat16)
    a, b = torch.randn(4, 70), torch.randn(30, 4)
    packed = Delta(a, b, 0.5, packed=True)
    start = unpacked(pack(weight.float()), weight.float())
    assert torch.equal(packed.start(weight), start)
    assert torch.equal(packed.added_to(weight), start + 0.5 * (b @ a))
    alone = Delta(torch.zeros(0, 70), torch.zeros(30, 0), 1.0, packed=True)
    assert torch.equal(alone.added_to(weight), start)
    assert torch.equal(Delta(a, b, 0.5).start(weight), weight.float())


def test_a_file_in_float32_is_packed_in_the_dtype_of_the_run() -> None:
    """As loading packed it: after it was rounded to that dtype, and unpacked into it."""
    weight = matrix(30, 70) + 1e-4
    a, b = torch.zeros(0, 70), torch.zeros(30, 0)
    taken = weight.to(torch.bfloat16)
    meant = torch.empty_like(taken)
    unpack_into(pack(taken), meant)
    start = Delta(a, b, 1.0, packed=True, dtype=torch.bfloat16).start(weight)
    assert torch.equal(start, meant.float())
    assert not torch.equal(start, Delta(a, b, 1.0, packed=True).start(weight))


def test_the_layers_that_an_export_rounds_are_those_that_loading_packs(pocket: Any) -> None:
    loaded = [n for n, m in pocket.base_model.model.named_modules() if isinstance(m, Nf4Linear)]
    named = packed_layers(find_base("pocket", weights=True).folder)
    assert named == [name.removesuffix(".base_layer") for name in loaded]


def test_an_adapter_of_another_packing_is_told_apart() -> None:
    base = find_base("pocket", weights=True)
    (found,) = judge(wrong_base(base, {"base": "pocket", "base_packed": NF4}))
    assert found.code == "S012" and "4 bits" in found.what.en and "--train_type" in found.fix.en
    (found,) = judge(wrong_base(base.packed_as(NF4), {"base": "pocket"}))
    assert "4 位" in found.what.zh and "--train_type" in found.fix.zh


def test_a_packing_that_is_not_known_is_refused() -> None:
    with pytest.raises(Refusal, match="base_packed: nf3"):
        load_base(find_base("pocket", weights=True).packed_as("nf3"), CPU, "float32")


def test_two_ways_to_hold_the_base_contradict_each_other() -> None:
    asked = Resolved.default().with_values("flag", tuner="qlora", base_dtype="fp8")
    (found,) = misused_flags(asked)
    assert found.problem == "conflicting-flags" and "--train_type qlora" in found.value


def test_where_memory_is_short_the_packed_base_is_offered(tmp_path: Path) -> None:
    shape = replace(SIZES["Qwen2.5-7B"], packed="")
    packed = replace(shape, packed=NF4)
    less = fixed(shape, 8) - fixed(packed, 8)
    assert less - unpacking(shape) == pytest.approx(saved(shape)) and saved(packed) == 0
    assert 8.5 < saved(shape) / GIB < 9 and 0.4 * GIB > unpacking(shape) > 2 * 2 * 18944 * 3584
    facts = SetupFacts("out-of-memory", "a.jsonl:1", "x", nearest="--train_type qlora")
    (found,) = judge(facts)
    assert found.code == "S019" and found.fix.en.startswith("`--train_type qlora` fits")
    (found,) = judge(replace(facts, nearest=""))
    assert "qlora" not in found.fix.en


# --- on the command line --------------------------------------------------------------------------


def test_resumed_is_the_run_that_was_never_stopped(tmp_path: Path, identity_file: Path) -> None:
    """Bit for bit: taken back to the first of two updates; from a command to its proof."""
    probe = tmp_path / "probe.txt"
    probe.write_text("你是谁?\n")
    flags = (
        "--train_type", "qlora", "--model", "pocket", "--dataset", identity_file, "--max_steps", 2,
        "--save_steps", 1, "--probes", probe, "--general_questions", 20, "--anchor_ratio", 0,
        "--gradient_accumulation_steps", 4, "--until_proven", "false", "--json",
    )  # fmt: skip
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    done = suretune("sft", *flags, "--output_dir", whole, timeout=600)
    assert done.returncode in (0, 6), done.stdout[-2000:] + done.stderr[-2000:]
    assert "S057" in codes(done)
    result = rundir.read_json(whole / "proof" / "result.json")
    assert result["same_base"] is True and result["logits_gap"] <= 1e-4
    assert rundir.read_json(whole / "adapter" / "suretune.json")["base_packed"] == NF4
    shutil.copytree(whole, cut)
    shutil.rmtree(cut / "checkpoints" / "step-000002")
    (cut / rundir.SEAL).unlink(missing_ok=True)
    done = suretune("resume", cut, timeout=600)
    assert done.returncode in (0, 6), done.stderr[-2000:]
    a, b = (load_file(r / "adapter" / "adapter_model.safetensors") for r in (whole, cut))
    assert a and all(torch.equal(a[name], b[name]) for name in a)
    assert (
        rundir.read_json(cut / "run.json")["base"] == rundir.read_json(whole / "run.json")["base"]
    )
