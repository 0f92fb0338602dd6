"""The same laws where a GPU is: torch's varlen kernel against the reference, and the whole job."""

from __future__ import annotations

import shutil
from array import array
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from conftest import as_json, codes, suretune
from suretune import rundir
from suretune.data.pass_layout import size_of
from suretune.data.prefixes import Prefixes
from suretune.model import ops
from suretune.model.attention import packed_attention
from suretune.model.decode import Decoder
from suretune.model.full import Whole
from suretune.model.fused import divergences, keep_all, losses
from suretune.model.generate import last_logits
from suretune.model.lora import trainable
from suretune.model.memory import CONTEXT, GIB, SLACK
from suretune.model.nf4 import Nf4, pack
from suretune.model.packed_batch import divergence, make_pass, token_logits
from suretune.options import EngineOptions
from suretune.train import buckets
from suretune.train.engine import Fast
from suretune.train.engine_plan import make_engine
from suretune.train.flat_adamw import FlatAdamW
from suretune.train.loop import Learner, gradient, make_scale
from suretune.types import Plan, Sample, Schedule, Update
from test_decode import NOBODY, WIDE
from test_full_decoder import PROMPTS, laid_out, move
from test_fused import FAMILIES, MORE, gap, rows, stack_of, tuned
from test_fused import exact_norms as exact_norms  # a fixture
from test_fused import fast as fast_gradient
from test_fused import plain as plain_gradient
from test_nf4 import matrix, pack_bases, unpacked
from test_prefixes import row, some_tokens
from test_soft import plan_of

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU"),
]
LENGTHS = (5, 17, 1, 64, 33)


def qkv(dtype: torch.dtype, heads: int = 4, groups: int = 2, width: int = 64) -> list[torch.Tensor]:
    torch.manual_seed(0)
    total = sum(LENGTHS)
    shapes = [(1, heads, total, width), (1, groups, total, width), (1, groups, total, width)]
    return [torch.randn(s, device="cuda", dtype=dtype, requires_grad=True) for s in shapes]


def attend(tensors: list[torch.Tensor], window: int | None) -> torch.Tensor:
    bounds = [0]
    for length in LENGTHS:
        bounds.append(bounds[-1] + length)
    starts = torch.tensor(bounds, dtype=torch.int32, device="cuda")
    out, _ = packed_attention(
        torch.nn.Identity(), *tensors, None, sliding_window=window,
        cu_seq_lens_q=starts, max_length_q=max(LENGTHS),
    )  # fmt: skip
    return out


@pytest.mark.parametrize("window", [None, 8])
def test_varlen_equals_the_reference(window: int | None) -> None:
    half = qkv(torch.bfloat16)
    full = [t.detach().float().requires_grad_() for t in half]
    fast, slow = attend(half, window), attend(full, window)
    assert (fast.float() - slow).norm() / slow.norm() < 1e-2
    weight = torch.randn_like(slow)
    (fast.float() * weight).sum().backward()
    (slow * weight).sum().backward()
    for a, b in zip(half, full, strict=True):
        assert a.grad is not None and b.grad is not None
        assert (a.grad.float() - b.grad).norm() / b.grad.norm() < 2e-2


def test_the_whole_job_in_bfloat16(tmp_path: Path) -> None:
    done = suretune("demo", "--output_dir", tmp_path / "demo", "--json", cwd=tmp_path)
    assert done.returncode in (0, 6), done.stdout[-2000:] + done.stderr[-2000:]
    report = as_json(done)
    assert done.returncode == 0, report["reasons"]
    assert report["model"]["device"] == "cuda" and report["model"]["dtype"] == "bfloat16"
    assert report["proof"]["logits_gap"] <= report["proof"]["logits_tolerance"]
    assert all(step["memory_bytes"] > 0 for step in report["steps"])


FEW = ("--general_questions", 8)  # what the plain path answers a whole battery of in minutes


@pytest.mark.parametrize(
    ("how", "engine"),
    [
        ((), "fused"),
        (("--anchor_loss", "answers"), "fused"),
        (("--torch_dtype", "float32", "--lora_dropout", 0.1), "plain"),
        (("--layers_to_transform", "1-2", *FEW), "fused"),
        (("--base_dtype", "fp8", *FEW), "fused"),
        (("--lorap_lr_ratio", 4, *FEW), "fused"),
        (("--init_weights", "pissa_niter_4", *FEW), "fused"),
        (("--use_dora", "true", *FEW), "plain"),
    ],
    ids=["graphs", "answers", "plain", "some-layers", "8-bits", "lora+", "pissa", "dora"],
)
def test_a_run_resumed_on_the_gpu_is_the_run_never_stopped(
    tmp_path: Path, identity_file: Path, how: tuple[object, ...], engine: str
) -> None:
    """Bit for bit: stop after 4 of 8 updates by deleting the later ones. What the proof's process
    reads is what was in memory."""
    flags = ("--model", "pocket", "--dataset", identity_file, "--max_steps", 8, "--save_steps", 4)
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    for run in (whole, cut):
        assert suretune("sft", *flags, *how, "--output_dir", run).returncode in (0, 6, 8)
        began = next(e for e in rundir.read_jsonl(run / "events.jsonl") if e["event"] == "engine")
        proof = rundir.read_json(run / "report.json")["proof"]
        assert began["engine"] == engine
        assert proof["logits_gap"] <= proof["logits_tolerance"] and proof["logits_change"] > 0
    shutil.rmtree(cut / "checkpoints" / "step-000008")
    (cut / rundir.SEAL).unlink(missing_ok=True)
    assert suretune("resume", cut).returncode in (0, 6, 8)
    a, b = (load_file(r / "adapter" / "adapter_model.safetensors") for r in (whole, cut))
    assert a and a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_the_fast_engine_ends_where_the_plain_one_ends(tmp_path: Path, identity_file: Path) -> None:
    """All updates by each: the same probes passed, nearly the same losses. Few general questions:
    the plain path answers a whole battery in minutes."""
    told = {}
    for fused in ("true", "false"):
        done = suretune("sft", "--model", "pocket", "--dataset", identity_file, "--fused", fused,
                        "--until_proven", "false", "--general_questions", "8",
                        "--output_dir", tmp_path / fused, "--json")  # fmt: skip
        told[fused] = as_json(done)
    fast, plain = told["true"], told["false"]
    assert [p["passed_after"] for p in fast["probes"]] == [
        p["passed_after"] for p in plain["probes"]
    ]
    for a, b in zip(fast["steps"], plain["steps"], strict=True):
        assert abs(a["loss"] - b["loss"]) < 0.05 * b["loss"] + 0.02
    assert all(0 < step["share_of_limit"] < 1 for step in fast["steps"])


def on_gpu(family: str, dtype: torch.dtype, **config: Any) -> Any:
    wide = {"hidden_size": 256, "head_dim": 64, "intermediate_size": 512, "vocab_size": 61}
    return tuned(family, dtype, **wide, **config).cuda()


@pytest.mark.parametrize("family", FAMILIES)
def test_the_kernels_are_as_exact_as_the_plain_path(family: str) -> None:
    """bfloat16 against float64: the fused layers must not be the worse ones."""
    device = torch.device("cuda")
    given = make_pass(rows(200, 9, 140, 33), device)
    model = on_gpu(family, torch.bfloat16)
    exact = on_gpu(family, torch.float64)
    exact.load_state_dict({name: t.double() for name, t in model.state_dict().items()})
    true_nats, true = plain_gradient(exact, given)
    nats, grads = plain_gradient(model, given)
    stack = stack_of(model)
    again, fused = fast_gradient(model, given, stack, keep_all(stack))

    def error(found: dict[str, torch.Tensor]) -> float:
        wrong = sum(float((found[name].double() - true[name]).square().sum()) for name in true)
        return (wrong / sum(float(t.square().sum()) for t in true.values())) ** 0.5

    assert error(fused) < max(0.01, 1.2 * error(grads))
    assert gap(again.double(), true_nats) < max(0.01, 1.2 * gap(nats.double(), true_nats))


@pytest.mark.parametrize("family", ["Qwen2", "Qwen3", "Gemma", *MORE])
def test_the_kernels_in_float32(family: str) -> None:
    given = make_pass(rows(20, 9, 14), torch.device("cuda"))
    model = on_gpu(family, torch.float32)
    nats, grads = plain_gradient(model, given)
    stack = stack_of(model)
    again, fused = fast_gradient(model, given, stack, keep_all(stack))
    assert gap(again, nats) < 1e-5
    assert max(gap(fused[name], grads[name]) for name in grads) < 1e-4


@pytest.mark.parametrize(
    ("family", "soft"), [("Qwen2", False), ("Qwen2", True), *((family, False) for family in MORE)]
)
def test_replayed_updates_are_the_eager_ones(
    family: str, soft: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundred updates of changing lengths: a graph computes the bits that its kernels compute.

    `soft`: many of the rows are held to the base, none of some updates and all of others.
    """
    ends = []
    for graphs in (True, False):
        model = on_gpu(family, torch.bfloat16)
        for parameter in trainable(model).values():
            parameter.data = parameter.data.float()
        adapters = FlatAdamW(trainable(model), 0.0)
        stack = stack_of(model)
        weights = sum(group.n * group.k for group in stack.layers[0].groups)
        monkeypatch.setattr(buckets, "CAPTURE", 2048.0 * weights)  # so that there are some
        engine = Fast(stack, adapters, torch.device("cuda"), 4096, keep_all(stack), graphs=True)
        samples = [
            replace(row, soft=soft and i % 7 in (3, 4, 5))
            for i, row in enumerate(rows(*(5 + 7 * i % 90 for i in range(300))))
        ]
        plan = Plan(
            tuple(
                Update(i + 1, 0, (3 * i, 3 * i + 1, 3 * i + 2), 0, 0, 1.0) for i in range(100)
            ),
            Schedule("constant", 1e-3, 0, 100), eval_steps=(), save_steps=(), probe_steps=(),
            per_epoch=100, rows=300, held_out=0, tokens=0, learned=0, longest=0, digest="",
        )  # fmt: skip
        assert engine.prepare(samples, plan, 0) == "" and len(engine.buckets) > 1
        if not graphs:
            engine.pool = engine._apply.pool = None
            for bucket in engine.buckets:
                bucket.replayed.pool = bucket.replayed.graph = None
        for update in plan.updates:
            adapters.zero()
            engine.backward([samples[i] for i in update.samples], 50.0, 1.0)
            adapters.clip(1.0, 1.0)
            adapters.set_rate(1e-3)
            engine.apply()
        assert all((b.replayed.graph is not None) == graphs for b in engine.buckets)
        ends.append(adapters.values.detach().clone())
    assert torch.equal(ends[0], ends[1]) and bool(ends[0].isfinite().all())


@pytest.mark.parametrize("on_host", [False, True])
def test_a_captured_pass_of_both_kinds_is_the_pass_alone(on_host: bool) -> None:
    """Padded and replayed against neither, after other rows were in the same buffers."""
    model = on_gpu("Qwen2", torch.bfloat16)
    for parameter in trainable(model).values():
        parameter.data = parameter.data.float()
    stack, adapters = stack_of(model), FlatAdamW(trainable(model), 0.0)
    device = torch.device("cuda")
    engine = Fast(
        stack, adapters, device, 4096, keep_all(stack), graphs=True, states_on_host=on_host
    )
    samples = [replace(row, soft=i % 3 == 1) for i, row in enumerate(rows(*range(20, 50)))]
    assert engine.prepare(samples, plan_of(samples), 0) == ""
    for chosen in (samples[9:12], samples[:3], samples[1:2], samples[:1], samples[27:]):
        size = size_of(chosen)
        assert any(bucket.fits(size) for bucket in engine.buckets)
        adapters.zero()
        loss = float(engine.backward(chosen, 50.0, 1.0))
        found = adapters.gradient.clone()
        adapters.zero()
        batch = make_pass(chosen, device, parted=True)
        alone = float(engine.one(batch, 1 / 50, engine.held(chosen)))
        assert loss == pytest.approx(alone, rel=1e-2) and gap(found, adapters.gradient) < 3e-2
    assert all(bucket.replayed.graph is not None for bucket in engine.buckets)


# --- what rows begin alike with is computed once --------------------------------------------------


def sharing() -> tuple[list[Sample], Prefixes]:
    """Rows of two prefixes and of none; one row is its prefix and a token."""
    heads = [some_tokens(n, n) for n in (150, 70)]
    lengths = ((0, 40), (1, 9), (0, 130), (None, 90), (1, 33), (0, 1), (1, 64), (0, 7))
    given = [
        row([] if head is None else heads[head], own, 900 + i)
        for i, (head, own) in enumerate(lengths)
    ]
    return given, tuple(array("I", head) for head in heads)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("heads", [(2, 128), (1, 64), (5, 16)])
def test_the_kernel_of_segment_sums_is_the_reference(
    dtype: torch.dtype, heads: tuple[int, int]
) -> None:
    """Segments of none, of one and of many; what no segment has is not a number."""
    torch.manual_seed(0)
    counts = torch.tensor([1, 0, 3, 1, 16, 17, 40, 1])
    total = int(counts.sum())
    values = torch.randn(total + 9, *heads, device="cuda").to(dtype)
    places = torch.randperm(total + 9)
    values[places[total:].cuda()] = float("nan")
    bounds = torch.cat([torch.zeros(1, dtype=torch.long), counts.cumsum(0)])
    places[total:] = 0
    found = ops.segment_sum(values, places.cuda(), bounds.cuda())
    want = ops.segment_sum(values.cpu().double(), places, bounds)
    assert found.dtype == dtype and found.shape == want.shape
    assert gap(found.cpu().double(), want) < (1e-6 if dtype == torch.float32 else 4e-3)
    assert torch.equal(found, ops.segment_sum(values, places.cuda(), bounds.cuda()))


@pytest.mark.parametrize("family", ["Qwen2", "Qwen3", "Mistral", *MORE])
def test_rows_that_share_are_as_exact_as_rows_that_do_not(family: str) -> None:
    """bfloat16 against float64; the windows here are smaller than the prefixes."""
    given, prefixes = sharing()
    device = torch.device("cuda")
    window = {"sliding_window": 50} if family == "Mistral" else {}
    model = on_gpu(family, torch.bfloat16, **window)
    exact = on_gpu(family, torch.float64, **window)
    exact.load_state_dict({name: t.double() for name, t in model.state_dict().items()})
    alone, shared = make_pass(given, device), make_pass(given, device, prefixes=prefixes)
    assert shared.ids.shape[1] == alone.ids.shape[1] - 3 * 150 - 2 * 70
    true_nats, true = plain_gradient(exact, alone)
    stack = stack_of(model)
    nats, grads = fast_gradient(model, alone, stack, keep_all(stack))
    again, found = fast_gradient(model, shared, stack, keep_all(stack))
    twice, same = fast_gradient(model, shared, stack, keep_all(stack))

    def error(found: dict[str, torch.Tensor]) -> float:
        wrong = sum(float((found[name].double() - true[name]).square().sum()) for name in true)
        return (wrong / sum(float(t.square().sum()) for t in true.values())) ** 0.5

    assert error(found) < max(0.01, 1.2 * error(grads))
    assert gap(again.double(), true_nats) < max(0.01, 1.2 * gap(nats.double(), true_nats))
    assert torch.equal(again, twice) and all(torch.equal(found[n], same[n]) for n in found)


@pytest.mark.parametrize("family", ["Qwen2", "Qwen3", "Gemma3Text"])
def test_rows_that_share_in_float32(family: str) -> None:
    given, prefixes = sharing()
    device = torch.device("cuda")
    model = on_gpu(family, torch.float32)
    nats, grads = plain_gradient(model, make_pass(given, device))
    stack = stack_of(model)
    shared = make_pass(given, device, prefixes=prefixes)
    again, found = fast_gradient(model, shared, stack, keep_all(stack))
    assert gap(again, nats) < 1e-5
    assert max(gap(found[name], grads[name]) for name in grads) < 1e-4


def shares(graphs: bool, family: str) -> tuple[Any, list[Sample]]:
    """An engine that is prepared for many rows of two prefixes, a third held to the base."""
    model = on_gpu(family, torch.bfloat16)
    for parameter in trainable(model).values():
        parameter.data = parameter.data.float()
    adapters = FlatAdamW(trainable(model), 0.0)
    stack = stack_of(model)
    engine = Fast(stack, adapters, torch.device("cuda"), 4096, keep_all(stack), graphs=True)
    heads = [some_tokens(n, n) for n in (60, 40)]
    samples = [row(heads[i % 2], 3 + 7 * i % 90, i, soft=i % 3 == 1) for i in range(120)]
    groups = [tuple(range(i, i + 8)) for i in range(0, 120, 8)]
    plan = replace(
        plan_of(samples),
        updates=tuple(Update(i + 1, 0, rows, 0, 0, 1.0) for i, rows in enumerate(groups)),
    )
    assert engine.prepare(samples, plan, 0) == ""
    assert [one.tolist() for one in engine.prefixes] == heads
    assert engine.buckets and all(bucket.size.keys for bucket in engine.buckets)
    if not graphs:
        engine.pool = engine._apply.pool = None
        for bucket in engine.buckets:
            bucket.replayed.pool = bucket.replayed.graph = None
    return engine, samples


@pytest.mark.parametrize("family", ["Qwen2", "Gemma3Text"])
def test_replayed_updates_of_rows_that_share_are_the_eager_ones(family: str) -> None:
    """And the same bits when all of it is done again."""
    ends = []
    for graphs in (True, False, True):
        engine, samples = shares(graphs, family)
        for start in range(0, 120, 8):
            engine.adapters.zero()
            engine.backward(samples[start : start + 8], 50.0, 1.0)
            engine.adapters.clip(1.0, 1.0)
            engine.adapters.set_rate(1e-3)
            engine.apply()
        assert all((b.replayed.graph is not None) == graphs for b in engine.buckets)
        ends.append(engine.adapters.values.detach().clone())
    assert torch.equal(ends[0], ends[1]) and torch.equal(ends[0], ends[2])
    assert bool(ends[0].isfinite().all())


def test_a_captured_pass_of_rows_that_share_is_the_pass_alone() -> None:
    """Against the pass that is not padded and shares nothing, after others in the same buffers."""
    engine, samples = shares(True, "Qwen2")
    for chosen in (samples[8:16], samples[:3], samples[1:2], samples[:8], samples[100:]):
        size = size_of(chosen, engine.prefixes)
        assert len(chosen) > 8 or any(bucket.fits(size) for bucket in engine.buckets)
        engine.adapters.zero()
        loss = float(engine.backward(chosen, 50.0, 1.0))
        found = engine.adapters.gradient.clone()
        engine.adapters.zero()
        batch = make_pass(chosen, engine.device, parted=True)
        alone = float(engine.one(batch, 1 / 50, engine.held(chosen)))
        assert (
            loss == pytest.approx(alone, rel=1e-2) and gap(found, engine.adapters.gradient) < 3e-2
        )
    assert all(bucket.replayed.graph is not None for bucket in engine.buckets)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("words", [61, 4096, 152_064])
def test_the_kernel_of_jeffreys_divergence_is_the_formula(dtype: torch.dtype, words: int) -> None:
    torch.manual_seed(0)
    logits, base = (torch.randn(7, words, device="cuda").mul(3).to(dtype) for _ in range(2))
    factors = torch.rand(7, device="cuda")
    slopes = logits.cpu().double()  # in float32 the formula itself is 5e-6 away over so many words
    nats = ops.jeffreys(slopes, base.cpu().double(), factors.cpu().double())
    assert gap(ops.jeffreys(logits, base, factors).cpu().double(), nats) < 1e-5
    assert gap(logits.cpu().double(), slopes) < (1e-5 if dtype == torch.float32 else 1e-2)


def test_memory_that_somebody_takes_means_smaller_passes_of_the_same_update() -> None:
    """The allocator's own out-of-memory, in the middle of an update."""
    device = torch.device("cuda")
    model = on_gpu("Qwen2", torch.bfloat16)
    for parameter in trainable(model).values():
        parameter.data = parameter.data.float()
    adapters = FlatAdamW(trainable(model), 0.0)
    stack = stack_of(model)
    engine = Fast(stack, adapters, device, 2**16, keep_all(stack), graphs=False)
    learner = Learner(model, adapters, engine, make_scale("bfloat16"), device, 0.0)
    samples = rows(*[900] * 24)
    gradient(learner, samples, 1000.0)  # compiles kernels
    torch.cuda.empty_cache()
    held = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    whole = gradient(learner, samples, 1000.0)
    want, peak = adapters.gradient.clone(), torch.cuda.max_memory_allocated()
    torch.cuda.empty_cache()
    room = torch.cuda.memory_allocated() + (peak - held) // 2
    torch.cuda.set_per_process_memory_fraction(room / torch.cuda.mem_get_info()[1])
    try:
        parts = gradient(learner, samples, 1000.0)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert learner.notes and engine.tokens_per_pass < sum(len(row.ids) for row in samples)
    assert parts == pytest.approx(whole, rel=1e-2)
    assert gap(adapters.gradient, want) < 1e-2


def test_passes_are_planned_into_what_others_left_of_the_card(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Who begins beside others finds less, as it tries a pass, than it had measured before."""
    device, model, given = torch.device("cuda"), on_gpu("Qwen2", torch.bfloat16), rows(*[900] * 24)
    for parameter in trainable(model).values():
        parameter.data = parameter.data.float()
    adapters = FlatAdamW(trainable(model), 0.0)
    states = 5 * adapters.values.nbytes
    limit = int(torch.cuda.memory_allocated() + CONTEXT + SLACK + states + 4 * GIB)
    tried: list[int] = []
    largest, taken = Fast.largest, []

    def beside_others(engine: Fast, chosen: list[Sample]) -> None:
        tried.append(engine.tokens_per_pass)
        if not taken:
            taken.append(torch.empty(int(3.7 * GIB), dtype=torch.uint8, device=device))
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        largest(engine, chosen)

    monkeypatch.setattr(Fast, "largest", beside_others)
    asked = EngineOptions(memory_limit=str(limit))
    plan = replace(plan_of(given), updates=(Update(1, 0, tuple(range(24)), 0, 0, 1.0),))
    made = make_engine(model, adapters, asked, device, given, plan)
    assert tried == [16384, 8192] and made.engine.tokens_per_pass == 8192


def test_drift_by_the_kernels_is_the_divergence() -> None:
    """bfloat16 against autograd's modules in float64."""
    given = make_pass(rows(200, 9, 140, 33), torch.device("cuda"))
    model = on_gpu("Qwen2", torch.bfloat16)
    exact = on_gpu("Qwen2", torch.float64)
    exact.load_state_dict({name: t.double() for name, t in model.state_dict().items()})
    with torch.no_grad():
        after = token_logits(exact, given)
        with exact.disable_adapter():
            true = float(divergence(token_logits(exact, given), after).mean())
    stack = stack_of(model)  # whose masters are bfloat16: no kernel may read them as float32
    first, again = (divergences(stack, given, keep_all(stack)) for _ in range(2))
    assert true > 1e-3 and float(first.mean()) == pytest.approx(true, rel=0.05)
    assert torch.equal(first, again), "the adapters are back after the base was asked"


def test_a_poisoned_row_stays_alone() -> None:
    """NaN in one row's embedding: the other rows' losses keep their bits."""
    model = on_gpu("Qwen2", torch.bfloat16)
    stack = stack_of(model)
    given = rows(200, 9, 140)
    for token in (5, 6):
        given[1].ids[3] = token
    clean = losses(stack, make_pass(given, torch.device("cuda")), keep_all(stack))
    given[1].ids[3] = 7
    model.base_model.model.model.embed_tokens.weight.data[7] = float("nan")
    for sample in (given[0], given[2]):
        for place, token in enumerate(sample.ids):
            sample.ids[place] = 8 if token == 7 else token
    base = losses(stack, make_pass([given[0], rows(9)[0], given[2]], torch.device("cuda")),
                  keep_all(stack))  # fmt: skip
    found = losses(stack, make_pass(given, torch.device("cuda")), keep_all(stack))
    first = given[0].learned
    assert len(clean) == len(found) == len(base)
    assert torch.equal(found[:first], base[:first])
    assert torch.equal(found[first + given[1].learned :], base[first + given[1].learned :])
    assert not found[first : first + given[1].learned].isfinite().all()


def test_a_run_that_cannot_fit_is_refused(tmp_path: Path, identity_file: Path) -> None:
    done = suretune("sft", "--model", "pocket", "--dataset", identity_file, "--memory_limit",
                    "500MiB", "--output_dir", tmp_path / "run", "--json")  # fmt: skip
    assert done.returncode == 4 and "S019" in codes(done) and not (tmp_path / "run").exists()


# --- a base in NF4 --------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_card_packs_and_unpacks_as_the_processor_does(dtype: torch.dtype) -> None:
    weight = matrix(300, 320, dtype)
    here, there = pack(weight), pack(weight.cuda())
    assert torch.equal(there.codes.cpu(), here.codes)
    assert torch.allclose(there.mean.cpu(), here.mean, rtol=1e-6)  # summed in another order
    moved = type(here)(*(part.cuda() for part in (here.codes, here.scales, here.steps, here.mean)))
    assert torch.equal(unpacked(moved, weight.cuda()).cpu(), unpacked(here, weight))


def test_a_packed_base_is_captured_and_replayed_bit_for_bit() -> None:
    """Thirty updates by graphs and by their kernels; the base is unpacked inside the graph."""
    ends = []
    for graphs in (True, False):
        model = pack_bases(on_gpu("Qwen2", torch.bfloat16))
        for parameter in trainable(model).values():
            parameter.data = parameter.data.float()
        adapters = FlatAdamW(trainable(model), 0.0)
        stack = stack_of(model)
        assert all(isinstance(group.weight, Nf4) for group in stack.groups)
        engine = Fast(stack, adapters, torch.device("cuda"), 4096, keep_all(stack), graphs=True)
        samples = rows(*(5 + 7 * i % 90 for i in range(90)))
        packs = [(3 * i, 3 * i + 1, 3 * i + 2) for i in range(30)]
        assert engine.prepare(samples, plan_of(samples), 0) == ""
        if not graphs:
            engine.pool = engine._apply.pool = None
            for bucket in engine.buckets:
                bucket.replayed.pool = bucket.replayed.graph = None
        for chosen in packs:
            adapters.zero()
            engine.backward([samples[i] for i in chosen], 50.0, 1.0)
            adapters.clip(1.0, 1.0)
            adapters.set_rate(1e-3)
            engine.apply()
        ends.append(adapters.values.detach().clone())
    assert torch.equal(ends[0], ends[1]) and bool(ends[0].isfinite().all())


def whole_job(run: Path, identity_file: Path, train_type: str) -> tuple[dict[str, Any], Any]:
    """Check to seal on the pocket model: what was said of the engine, and the report."""
    done = suretune(
        "sft", "--model", "pocket", "--dataset", identity_file, "--train_type", train_type,
        "--output_dir", run, "--json", timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    events = rundir.read_jsonl(run / "events.jsonl")
    return next(e for e in events if e["event"] == "engine"), as_json(done)


def test_the_whole_job_on_a_packed_base(tmp_path: Path, identity_file: Path) -> None:
    """Check to seal, then the seal again; the base never lay on the card in full."""
    run = tmp_path / "run"
    engine, _ = whole_job(run, identity_file, "qlora")
    assert engine["engine"] == "fused"
    assert suretune("verify", run, timeout=600).returncode == 0


def test_the_whole_job_on_the_models_own_weights(tmp_path: Path, identity_file: Path) -> None:
    """Asked by a decoder while it learns and by another in the fresh process, who agree."""
    run = tmp_path / "run"
    engine, report = whole_job(run, identity_file, "full")
    assert (engine["engine"], engine["answers"]) == ("plain", "fused")
    assert rundir.read_json(run / "proof" / "result.json")["speaker"] == "Decoder"
    # It ended early: the probes passed on the way as in the proof.
    assert report["stopped_early"] and not report["reasons"]
    assert suretune("verify", run, timeout=600).returncode == 0


@pytest.mark.parametrize("family", ["Qwen2", "Gemma", "Granite"])
def test_a_replayed_step_hears_weights_that_change_in_place(family: str) -> None:
    """Biases, norms that are copies, and a head that is the embedding; exchanged, too."""
    wide = {**WIDE, "tie_word_embeddings": True}
    model = tuned(family, torch.float32, **wide).unload().to("cuda").to(torch.bfloat16)
    base = {name: p.detach().cpu().clone() for name, p in model.named_parameters()}
    whole, fresh = Whole(model, base, Path()), deepcopy(model)
    kept = Decoder(laid_out(model))
    first, began = kept.generate(PROMPTS, NOBODY, 20), last_logits(kept, PROMPTS)
    graphs = [table.graphs for table in kept._tables.values()]
    for seed in range(2):
        move(whole, seed)
        fresh.load_state_dict(model.state_dict())
        want = Decoder(laid_out(deepcopy(fresh)), graphs=False).generate(PROMPTS, NOBODY, 20)
        assert kept.generate(PROMPTS, NOBODY, 20) == want
        assert not torch.equal(last_logits(kept, PROMPTS), began)
        with whole.without():
            assert kept.generate(PROMPTS, NOBODY, 20) == first
    assert graphs and graphs == [table.graphs for table in kept._tables.values()]
