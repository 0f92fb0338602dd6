"""suretune's own engine, steady state, one case a process; prints one JSON line.

    python benchmarks/engine.py --model FOLDER --case packed

Cases: packed (2,048 tokens a pass, nothing computed twice), packed4 (four packs of 2,048 an update,
one pass), packed24 (one, within 24 GiB),
fp8, qlora (the base in NF4; needs --model) and qlora9 (the same within 9 GiB), full (all of the
base's own weights learn) and full8 (the same with moments in 8 bits), peak4096 (4,096 tokens, whole
layers computed again), shared (the first 64 tokens of each row are the same: computed once a pass,
and for each row), longest (the longest row within 24 GiB), decode, parity (fast against plain),
profile. `--random CONFIG` in place of --model builds random weights in memory.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from engine_rows import headed, plan_of, random_packs, random_rows, words_of, written_packs

from suretune.data import prefixes
from suretune.data.base import find_base
from suretune.model.attention import PACKED
from suretune.model.device import limit_memory
from suretune.model.fused import gradient
from suretune.model.load import load_base
from suretune.model.lora import attach, trainable
from suretune.model.packed_batch import make_pass, token_losses
from suretune.model.recompute import Policy
from suretune.model.tuned import Tuned, inner
from suretune.options import EngineOptions
from suretune.options_lora import LoraOptions
from suretune.refusal import Refusal
from suretune.train.engine import Fast
from suretune.train.engine_plan import make_engine
from suretune.train.flat_adamw import FlatAdamW
from suretune.train.loop import Learner, make_scale
from suretune.train.loop import gradient as update_gradient
from suretune.tuning.qlora import NF4
from suretune.types import Plan, Sample

GIB = 2**30
PACKS = 40  # of 2,048 tokens, that FP8 and bfloat16 learn side by side
PEAK = 796e12  # bf16 products measured on an H200; the limits of docs/benchmarks.md divide by it


def open_model(asked: argparse.Namespace, device: torch.device) -> Any:
    from transformers import AutoModelForCausalLM, Qwen2Config

    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    if asked.case in QLORA:  # packed weight by weight as a run does it
        base = replace(find_base(asked.model, weights=True), packed=NF4)
        return load_base(base, device, str(dtype).removeprefix("torch."))
    if asked.model:
        how: dict[str, Any] = {"dtype": dtype, "device_map": {"": device}}
        model = AutoModelForCausalLM.from_pretrained(asked.model, attn_implementation=PACKED, **how)
    else:
        values = json.loads(Path(asked.random).read_text())
        if asked.shrink:
            values |= {"hidden_size": 256, "num_hidden_layers": 3, "intermediate_size": 512}
            values |= {"num_attention_heads": 4, "num_key_value_heads": 2}
        torch.manual_seed(0)
        with torch.device(device):
            model = AutoModelForCausalLM.from_config(
                Qwen2Config(**values), attn_implementation=PACKED, dtype=dtype
            )
    model.requires_grad_(False)
    return model.eval()


def start(
    asked: argparse.Namespace, samples: list[Sample], plan: Plan, **options: Any
) -> tuple[Learner, dict[str, Any]]:
    """Adapters on a frozen base, by the fast engine."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    how = EngineOptions(fused=True, **options)
    limit_memory(how, device)
    tuned, adapters = adapted(open_model(asked, device))
    try:
        return learner_of(tuned, adapters, how, samples, plan)
    except Refusal as refusal:
        raise SystemExit(json.dumps({"refused": str(refusal)})) from refusal


def adapted(model: Any) -> tuple[Tuned, FlatAdamW]:
    """The model with adapters of the default rank on all its linear layers, none of them silent."""
    tuned = attach(model, LoraOptions(), "random", seed=1)
    torch.manual_seed(2)
    parameters = trainable(tuned)
    for name, parameter in parameters.items():
        if "lora_B" in name:
            parameter.data.normal_(std=0.01)
    return tuned, FlatAdamW(parameters, 0.0)


def learner_of(
    tuned: Tuned,
    adapters: FlatAdamW,
    how: EngineOptions,
    samples: list[Sample],
    plan: Plan,
) -> tuple[Learner, dict[str, Any]]:
    """What learns, and what the engine decided on the way; Refusal where it cannot be had."""
    device = adapters.values.device
    started = make_engine(tuned, adapters, how, device, samples, plan)
    dtype = str(inner(tuned).dtype).removeprefix("torch.")
    learner = Learner(tuned, adapters, started.engine, make_scale(dtype), device, 1.0)
    return learner, started.about


def fp8(asked: argparse.Namespace) -> dict[str, Any]:
    """Speed with the base in FP8, and how far 200 updates' losses are from bfloat16's.

    Both learn the same packs from the same adapters: those of `--rows`, or forty of random tokens
    five times over. The gap is the mean distance of the two losses over the mean loss: relative to
    a loss near zero, of packs that are known by heart, it would say nothing.
    """
    found: dict[str, Any] = steady(asked, 2048, (128, 512), base_dtype="fp8")
    few = PACKS, 2048, (128, 512), words_of(asked)
    samples, packs = written_packs(asked) if asked.rows else random_packs(*few)
    plan = plan_of([packs[i % len(packs)] for i in range(asked.gap_updates)], samples)
    learner, _ = start(asked, samples, plan, tokens_per_pass=2048)
    engine, adapters = learner.engine, learner.adapters
    assert isinstance(engine, Fast) and isinstance(adapters, FlatAdamW)
    begun = adapters.values.detach().clone()
    curves = []
    for small in (False, True):
        if small:
            adapters.values.data.copy_(begun)
            adapters.optimizer.state.clear()
            for group in engine.stack.groups:
                group.quantize()
            engine = Fast(engine.stack, adapters, learner.device, 2048, engine.policy, True)
            learner = replace(learner, engine=engine)
            engine.restored()
        curves.append(train_losses(learner, samples, plan))
    one, other = curves
    gaps = [abs(a - b) / statistics.mean(one) for a, b in zip(one, other, strict=True)]
    found |= {"loss_gap": statistics.mean(gaps), "loss_gap_most": max(gaps)}
    tail = max(1, len(one) // 10)
    last = statistics.mean(one[-tail:]), statistics.mean(other[-tail:])
    about = {"gap_rows": "real" if asked.rows else "random", "gap_packs": len(packs)}
    return found | about | {"loss_first": one[0], "loss_last": last, "gap_updates": len(one)}


def train_losses(learner: Learner, samples: list[Sample], plan: Plan) -> list[float]:
    learner.engine.prepare(samples, plan, 0)
    losses = []
    for update in plan.updates:
        rows = [samples[i] for i in update.samples]
        losses.append(update_gradient(learner, rows, update.loss_weight)[0])
        learner.adapters.set_rate(1e-4)
        learner.engine.apply()
    return losses


def sync() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def steady(
    asked: argparse.Namespace,
    tokens: int,
    each: tuple[int, int],
    start: Callable[..., tuple[Learner, dict[str, Any]]] = start,
    head: int = 0,
    **options: Any,
) -> Any:
    """Updates of one full pass each: median time, tokens a second, peak memory. `head`: of so many
    tokens, the same, at each row's beginning."""
    samples, packs = random_packs(asked.updates, tokens, each, words_of(asked))
    samples = headed(samples, head)
    plan = plan_of(packs, samples)
    learner, about = start(asked, samples, plan, tokens_per_pass=tokens, **options)
    times, losses = timed_updates(learner, samples, plan)
    found = {**told(times, tokens, about), "loss": losses[-1]}
    found |= {"losses": [round(x, 5) for x in losses]} if asked.losses else {}
    if asked.profile:
        found["profile"] = profile(learner, [samples[i] for i in plan.updates[-1].samples])
    return found


def told(
    times: list[float],
    tokens: int,
    about: dict[str, Any],
    warm: int = 5,
    held: int = 0,
) -> dict[str, Any]:
    """Figures of updates of so many tokens, `warm` of them not counted; `held`: bytes of the card
    that others hold."""
    middle = statistics.median(times[warm:] or times)
    found = {"step_ms": round(middle * 1e3, 2), "tok_s": round(tokens / middle), **about}
    found["first_ms"] = [round(t * 1e3, 1) for t in times[:4]]
    if torch.cuda.is_available():
        # What a replayed graph holds counts as allocated only while it is captured.
        peak = max(torch.cuda.max_memory_allocated(), about.get("measured", 0))
        found["peak_gib"] = round((peak - held) / GIB, 2)
        found["reserved_gib"] = round(torch.cuda.max_memory_reserved() / GIB, 2)
    return found


def timed_updates(
    learner: Learner, samples: list[Sample], plan: Plan
) -> tuple[list[float], list[float]]:
    """(seconds, losses) of each update of the plan; the peak of memory is of those after the third.

    From one update's loss in the host's hands to the next one's, the step between them included:
    as in training, the host waits nowhere else.
    """
    learner.engine.prepare(samples, plan, 0)
    sync()
    times, losses = [], []
    begin = time.perf_counter()
    for update in plan.updates:
        rows = [samples[i] for i in update.samples]
        loss, _ = update_gradient(learner, rows, update.loss_weight)
        now = time.perf_counter()
        times.append(now - begin)
        begin = now
        learner.adapters.set_rate(1e-4)
        learner.engine.apply()
        losses.append(loss)
        if update.step == 3 and torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()
    return times, losses


def profile(learner: Learner, rows: list[Sample]) -> dict[str, float]:
    """Milliseconds of GPU time by kernel, of one eager pass."""
    from torch._C._autograd import DeviceType
    from torch.profiler import ProfilerActivity
    from torch.profiler import profile as record

    engine = learner.engine
    assert isinstance(engine, Fast)
    batch = make_pass(rows, learner.device)
    for _ in range(2):
        engine.one(batch, 1e-3)
    sync()
    begin = time.perf_counter()
    engine.one(batch, 1e-3)
    launched = time.perf_counter() - begin
    sync()
    with record(activities=[ProfilerActivity.CUDA, ProfilerActivity.CPU]) as seen:
        engine.one(batch, 1e-3)
        sync()
    kernels = [e for e in seen.key_averages() if e.device_type == DeviceType.CUDA]
    rows_ = [(e.key[:70], e.self_device_time_total / 1e3, e.count) for e in kernels]
    top = sorted((r for r in rows_ if r[1] > 0), key=lambda r: -r[1])[:60]
    found = {f"{name} x{count}": round(ms, 3) for name, ms, count in top}
    return {"launching_ms": round(launched * 1e3, 2), **found}


def parity(asked: argparse.Namespace) -> dict[str, Any]:
    """Losses and gradients, fast against plain, and one kind of keeping against another."""
    words = words_of(asked)
    samples = random_rows(600, (30, 200), 0, words)
    plan = plan_of([list(range(len(samples)))], samples)
    learner, _ = start(asked, samples, plan)
    engine, adapters = learner.engine, learner.adapters
    assert isinstance(engine, Fast)
    batch = make_pass(samples, learner.device)
    factors = batch.weights / plan.updates[0].loss_weight

    def fast(policy: Policy) -> tuple[torch.Tensor, torch.Tensor]:
        adapters.zero()
        nats = gradient(engine.stack, batch, factors, policy)
        return nats, adapters.gradient.clone()

    nats, grads = fast(engine.policy)
    _, same = fast(engine.policy)
    layers = len(engine.stack.layers)
    from suretune.model.recompute import Keep

    found: dict[str, Any] = {"deterministic": bool(torch.equal(grads, same))}
    for keep in (Keep.MLP_AGAIN, Keep.INPUT, Keep.HOST):
        _, other = fast(Policy((keep,) * layers, 4096))
        found[keep.value] = float((other - grads).norm() / grads.norm())
    adapters.zero()
    learner.model.train()
    plain = token_losses(learner.model, batch)
    (plain * factors).sum().backward()  # type: ignore[no-untyped-call]
    truth = adapters.gradient
    found["loss_gap"] = float(((nats - plain).abs().sum() / plain.abs().sum()).detach())
    found["gradient_gap"] = float((truth - grads).norm() / truth.norm())
    parts = []
    for name, p in adapters.parameters.items():
        assert p.grad is not None
        mine = grads[p.grad.storage_offset() : p.grad.storage_offset() + p.numel()].view_as(p)
        parts.append((float((mine - p.grad).norm() / p.grad.norm().clamp(min=1e-20)), name))
    found["worst"] = sorted(parts)[-3:]
    bucketed = []
    from suretune.data.pass_layout import Size, size_of
    from suretune.train.engine import Bucket

    size = size_of(samples)
    bucket = Bucket(engine, Size(704, size.rows + 4, size.learned + 16, size.longest))
    for _ in range(3):  # eager, captured, replayed
        adapters.zero()
        loss = bucket.run(samples, 1 / plan.updates[0].loss_weight)
        bucketed.append((float(loss), float((adapters.gradient - grads).norm() / grads.norm())))
    found["bucket"] = bucketed
    return found


def longest(asked: argparse.Namespace) -> dict[str, Any]:
    """The longest row that trains within 24 GiB: sizes are tried upwards."""
    best: dict[str, Any] = {"tokens": 0}
    words = words_of(asked)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    limit_memory(EngineOptions(memory_limit="24GiB"), device)
    for tokens in asked.lengths:
        samples = random_rows(tokens, (tokens, tokens), 0, words)
        plan = plan_of([[0]], samples)
        try:
            learner, about = start(asked, samples, plan, memory_limit="24GiB", cuda_graphs=False)
            begin = time.perf_counter()
            update_gradient(learner, samples, 1.0)
            sync()
        except (SystemExit, torch.OutOfMemoryError) as error:
            best["too_long"] = {"tokens": tokens, "why": str(error)[:200]}
            break
        best |= {"tokens": tokens, "seconds": round(time.perf_counter() - begin, 2), **about}
        if torch.cuda.is_available():
            best["peak_gib"] = round(torch.cuda.max_memory_allocated() / GIB, 2)
            best["reserved_gib"] = round(torch.cuda.max_memory_reserved() / GIB, 2)
        del learner
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
    return best


def decode(asked: argparse.Namespace) -> dict[str, Any]:
    from engine_decode import measure_decode  # beside this file

    samples = random_rows(64, (32, 32), 0, 1000)
    learner, _ = start(asked, samples, plan_of([[0]], samples))
    assert isinstance(learner.engine, Fast)
    return dict(measure_decode(learner.engine.stack))


def full(asked: argparse.Namespace, optim: str | None = None) -> dict[str, Any]:
    """All weights learn, as `--train_type full` has it; `optim` None: as that chooses itself."""
    from engine_full import moved, start_full  # beside this file

    learners = []

    def begin(
        asked: argparse.Namespace, samples: list[Sample], plan: Plan, **options: Any
    ) -> tuple[Learner, dict[str, Any]]:
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        how = EngineOptions(**options)
        limit_memory(how, device)
        learner, about = start_full(open_model(asked, device), how, (samples, plan), optim)
        learners.append(learner)
        return learner, about

    found = steady(asked, 2048, (128, 512), begin)
    return {**found, "moved": moved(learners[0])}


def shared(asked: argparse.Namespace) -> dict[str, Any]:
    """Tokens a second are those of the rows, wherever they are computed."""
    found: dict[str, Any] = {}
    before = prefixes.WORTH
    for name, worth in (("once", before), ("each", float("inf"))):
        prefixes.WORTH = worth
        found[name] = steady(asked, 2048, (94, 124), head=64)
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
    prefixes.WORTH = before
    return found


QLORA = ("qlora", "qlora9")
CASES: dict[str, Any] = {
    "packed": lambda a: steady(a, 2048, (128, 512)),
    "packed4": lambda a: steady(a, 8192, (128, 512)),
    "packed24": lambda a: steady(a, 2048, (128, 512), memory_limit="24GiB"),
    "fp8": fp8,
    "qlora": lambda a: steady(a, 2048, (128, 512)),
    "qlora9": lambda a: steady(a, 2048, (128, 512), memory_limit="9GiB"),
    "full": full,
    "full8": lambda a: full(a, "adamw_8bit"),
    "peak4096": lambda a: steady(a, 4096, (128, 512), recompute="layer", cuda_graphs=False),
    "short": lambda a: steady(a, 704, (30, 60)),
    "short-eager": lambda a: steady(a, 704, (30, 60), cuda_graphs=False),
    "shared": shared,
    "longest": longest,
    "decode": decode,
    "parity": parity,
}


def main() -> None:
    """One case, one line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model")
    parser.add_argument("--random", help="a config.json")
    parser.add_argument("--case", required=True, choices=sorted(CASES))
    parser.add_argument("--updates", type=int, default=30)
    parser.add_argument("--lengths", type=int, nargs="+", default=[16384, 32768, 49152, 65536])
    parser.add_argument("--gap-updates", type=int, default=200, help="of the fp8 case")
    parser.add_argument("--rows", type=Path, nargs="*", default=[], help="of the fp8 case")
    parser.add_argument("--tokenizer", type=Path, help="folder; with --rows")
    parser.add_argument("--losses", action="store_true", help="print every update's loss")
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--shrink", action="store_true", help="a few narrow layers, for a CPU")
    asked = parser.parse_args()
    begin = time.perf_counter()
    found = CASES[asked.case](asked)
    print(json.dumps({"case": asked.case, **found, "s": round(time.perf_counter() - begin, 1)}))


if __name__ == "__main__":
    main()
