"""Which engine computes a run, what its layers keep, and the proof that the largest pass fits."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from peft import PeftModel

from suretune.data.plan import packs
from suretune.model.attention import PACKED
from suretune.model.batch import make_pass
from suretune.model.device import free_bytes
from suretune.model.flash import has_kernel
from suretune.model.keep import Keep, Policy
from suretune.model.linear import fuse_linears
from suretune.model.memory import SLACK, choose_policy, needed, shape_of
from suretune.model.stack import Stack, make_stack
from suretune.options import EngineOptions
from suretune.train.adapters import Adapters
from suretune.train.engine import Engine, Fast, Plain, size_of
from suretune.types import Plan, Sample, SetupFacts

BIG = 1_000_000_000  # parameters from which the plain engine recomputes unless told otherwise
LEAST = {"none": Keep.ALL, "mlp": Keep.MLP_AGAIN, "layer": Keep.INPUT}


@dataclass(frozen=True, slots=True)
class Started:
    """An engine, and what was decided on the way: for the log and the report."""

    engine: Engine
    about: dict[str, Any]


def make_engine(
    model: PeftModel,
    adapters: Adapters,
    asked: EngineOptions,
    device: torch.device,
    samples: Sequence[Sample],
    plan: Plan,
) -> Started | SetupFacts:
    """The fast engine where it was asked for or CUDA is there, and the model allows it."""
    wanted = device.type == "cuda" if asked.fused is None else asked.fused
    stack = make_stack(model.base_model.model) if wanted else "not asked for"
    if isinstance(stack, str):
        if asked.fused or asked.base_dtype:
            flag = "--fused true" if asked.fused else f"--base_dtype {asked.base_dtype}"
            return SetupFacts("cannot-fuse", flag, found=stack)
        return _plain(model, adapters, asked, device, stack)
    if asked.base_dtype == "fp8":
        for group in stack.groups:
            group.quantize()
    if device.type != "cuda":
        policy = _asked_policy(stack, asked)
        engine = Fast(stack, adapters, device, asked.tokens_per_pass, policy, graphs=False)
        return Started(engine, {"engine": "fused", "keep": str(policy)})
    return _on_cuda(stack, adapters, asked, device, samples, plan)


def _plain(
    model: PeftModel, adapters: Adapters, asked: EngineOptions, device: torch.device, why: str
) -> Started:
    """transformers' own layers; on CUDA with fused LoRA linears, unless nothing is to be fused."""
    about: dict[str, Any] = {"engine": "plain", "why": why}
    if asked.fused or (asked.fused is None and device.type == "cuda"):
        about["fused_linears"], about["not_fused"] = fuse_linears(model)
    again = asked.recompute and asked.recompute != "none"
    if asked.recompute is None:
        again = device.type == "cuda" and sum(p.numel() for p in model.parameters()) >= BIG
    if again:
        model.gradient_checkpointing_enable({"use_reentrant": False})
        model.enable_input_require_grads()
    packed = model.config._attn_implementation == PACKED
    engine = Plain(model, adapters, device, asked.tokens_per_pass if packed else 1)
    return Started(engine, about)


def _asked_policy(stack: Stack, asked: EngineOptions) -> Policy:
    return Policy((LEAST[asked.recompute or "none"],) * len(stack.layers))


def _on_cuda(
    stack: Stack, adapters: Adapters, asked: EngineOptions, device: torch.device,
    samples: Sequence[Sample], plan: Plan,
) -> Started | SetupFacts:  # fmt: skip
    """Predict, choose, run the largest pass; give up memory until it really fits."""
    rows = largest_pass(samples, plan, asked.tokens_per_pass)
    size = size_of(rows)
    config = {**stack_config(stack)}
    shape = shape_of(config, stack.head.weight.element_size())
    room = free_bytes(asked, device) - SLACK
    least = LEAST[asked.recompute] if asked.recompute else Keep.ALL
    graphs = asked.cuda_graphs is not False and has_kernel(stack.head.weight)
    for _ in range(6):
        policy = choose_policy(shape, room, size.tokens, size.learned, least)
        if policy is None:
            break
        engine = Fast(stack, adapters, device, asked.tokens_per_pass, policy, graphs)
        base = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        try:
            engine.one(make_pass(rows, device), 0.0)
        except torch.OutOfMemoryError:
            room *= 0.9
        else:
            adapters.zero()
            peak = torch.cuda.max_memory_allocated(device)
            predicted = base + needed(shape, policy, size.tokens, size.learned)
            about = {"largest_pass": size.tokens, "predicted": int(predicted), "measured": peak}
            return Started(engine, {"engine": "fused", "keep": str(policy), **about})
        gc.collect()
        torch.cuda.empty_cache()
    smallest = needed(shape, Policy((Keep.HOST,) * shape.layers, 512, 512), size.tokens, 512)
    longest = max(rows, key=lambda row: len(row.ids))
    found = f"{smallest / 2**30:.1f} GiB needed, {free_bytes(asked, device) / 2**30:.1f} GiB free"
    return SetupFacts("out-of-memory", str(longest.origin), found=found)


def stack_config(stack: Stack) -> dict[str, Any]:
    """The sizes of a stack under the names of config.json."""
    first = stack.layers[0]
    return {
        "num_attention_heads": stack.heads,
        "num_key_value_heads": stack.kv_heads,
        "head_dim": stack.head_dim,
        "hidden_size": first.qkv.k,
        "num_hidden_layers": len(stack.layers),
        "intermediate_size": first.down.k,
        "vocab_size": stack.head.out_features,
    }


def largest_pass(samples: Sequence[Sample], plan: Plan, budget: int) -> list[Sample]:
    """The rows of the plan's pass with the most tokens."""
    best: list[Sample] = []
    for update in plan.updates:
        rows = [samples[i] for i in update.samples]
        for group in packs([len(row.ids) for row in rows], budget):
            chosen = [rows[i] for i in group]
            if sum(len(r.ids) for r in chosen) > sum(len(r.ids) for r in best):
                best = chosen
    return best
