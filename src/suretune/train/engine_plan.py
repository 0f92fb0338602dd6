"""Which engine computes a run, what its layers keep, and the proof that the largest pass fits."""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from suretune.data.anchors import general_questions
from suretune.data.pass_layout import Size, size_of
from suretune.data.plan import packs
from suretune.facts import SetupFacts
from suretune.model.attention import PACKED
from suretune.model.device import free_bytes, ran_out
from suretune.model.flash import has_kernel
from suretune.model.full import Whole
from suretune.model.linear import fuse_linears
from suretune.model.memory import (
    GIB,
    SLACK,
    STATES,
    TILES,
    Shape,
    choose_policy,
    needed,
    saved,
    shape_of,
    states_bytes,
)
from suretune.model.nf4 import Nf4, parameters_of
from suretune.model.recompute import HEAD_ROWS, Keep, Policy
from suretune.model.stack import Norm, Stack, make_stack
from suretune.model.tuned import Tuned, inner
from suretune.options import EngineOptions
from suretune.refusal import Refusal
from suretune.train.door import Engine
from suretune.train.engine import Fast
from suretune.train.flat_adamw import FlatAdamW
from suretune.train.pass_lengths import BUDGETS, roomiest
from suretune.train.plain_engine import PLAIN_TOKENS, Plain
from suretune.train.shards import PlainShard, ShardedWhole
from suretune.train.whole_adamw import WIDE
from suretune.tuning.full import FULL
from suretune.tuning.qlora import NF4, QLORA
from suretune.types import Plan, Sample, Text

BIG = 1_000_000_000  # parameters from which the plain engine recomputes unless told otherwise
LEAST = {"none": Keep.ALL, "mlp": Keep.MLP_AGAIN, "layer": Keep.INPUT}


@dataclass(frozen=True, slots=True)
class PassPlan:
    """Tokens per pass, and what each layer keeps for its backward pass.

    Another one rounds otherwise, so a resumed run needs the one that it began with.
    """

    tokens_per_pass: int
    policy: Policy

    def line(self) -> dict[str, Any]:
        """As JSON, for the run that goes on later."""
        keep = [keep.value for keep in self.policy.keep]
        about = {"tile": self.policy.tile, "head_rows": self.policy.head_rows}
        return {"tokens_per_pass": self.tokens_per_pass, "keep": keep, **about}


def pass_plan_of_engine(engine: Engine) -> PassPlan:
    """As it computes now: memory may have run out since it was started."""
    computes = getattr(engine, "own", engine)  # of several processes, that of this one
    policy = computes.policy if isinstance(computes, Fast) else Policy(())
    return PassPlan(engine.tokens_per_pass, policy)


def pass_plan_of(line: Mapping[str, Any]) -> PassPlan:
    """What `PassPlan.line` wrote."""
    keep = tuple(Keep(value) for value in line["keep"])
    return PassPlan(line["tokens_per_pass"], Policy(keep, line["tile"], line["head_rows"]))


def least_plan(plans: Sequence[PassPlan]) -> PassPlan:
    """Of several processes' plans the one that takes least memory: all can do with it."""
    given = list(Keep)  # from everything kept to nothing

    def size(plan: PassPlan) -> tuple[int, int, int, int]:
        again = sum(given.index(keep) for keep in plan.policy.keep)
        return plan.tokens_per_pass, -again, plan.policy.tile, plan.policy.head_rows

    return min(plans, key=size)


def adopt(engine: Engine, plan: PassPlan) -> None:
    """Compute by this plan from now on."""
    if plan == pass_plan_of_engine(engine):
        return
    engine.tokens_per_pass = plan.tokens_per_pass
    if isinstance(engine, Fast):
        engine.policy = plan.policy
        engine.without_graphs()


@dataclass(frozen=True, slots=True)
class ChosenEngine:
    """An engine, and what was decided on the way: for the log and the report."""

    engine: Engine
    about: dict[str, Any]
    pass_plan: PassPlan | None = None  # where it was chosen by the memory there was


def make_engine(
    model: Tuned,
    adapters: FlatAdamW,
    asked: EngineOptions,
    device: torch.device,
    samples: Sequence[Sample],
    plan: Plan,
    before: PassPlan | None = None,
) -> ChosenEngine:
    """The fast engine where it was asked for or CUDA is there, and the model allows it.

    `before` is the plan of the run that goes on here. Raises Refusal where a fused engine was asked
    for and cannot be, or memory does not do.
    """
    wanted = device.type == "cuda" if asked.fused is None else asked.fused
    stack = _stack(model) if wanted else "not asked for"
    if isinstance(stack, str):
        if asked.fused or asked.base_dtype:
            flag = "--fused true" if asked.fused else f"--base_dtype {asked.base_dtype}"
            stack = "--fused false" if asked.fused is False else stack
            raise Refusal(SetupFacts("cannot-fuse", flag, found=stack))
        return _plain(
            model=model,
            adapters=adapters,
            asked=asked,
            device=device,
            why=stack,
            work=(samples, plan),
            before=before,
        )
    if asked.base_dtype == "fp8":
        for group in stack.groups:
            group.quantize()
    if device.type != "cuda":
        policy = _asked_policy(stack, asked)
        budget = before.tokens_per_pass if before else asked.tokens_per_pass or PLAIN_TOKENS
        engine = Fast(stack, adapters, device, budget, policy, graphs=False)
        return ChosenEngine(engine, {"engine": "fused", "keep": str(policy)})
    return _on_cuda(
        stack=stack,
        adapters=adapters,
        asked=asked,
        device=device,
        samples=samples,
        plan=plan,
        before=before,
    )


def _stack(model: Tuned) -> Stack | str:
    """The fast engine's layers, or why it has none."""
    if isinstance(model, Whole):
        return f"--train_type {FULL.name}: the base's own weights learn, not adapters beside them"
    return make_stack(inner(model))


def _plain(
    model: Tuned,
    adapters: FlatAdamW,
    asked: EngineOptions,
    device: torch.device,
    why: str,
    work: tuple[Sequence[Sample], Plan],
    before: PassPlan | None,
) -> ChosenEngine:
    """transformers' own layers; on CUDA with fused LoRA linears, unless nothing is to be fused."""
    about: dict[str, Any] = {"engine": "plain", "why": why}
    adapted = not isinstance(model, Whole)
    if adapted and (asked.fused or (asked.fused is None and device.type == "cuda")):
        about["fused_linears"], about["not_fused"] = fuse_linears(model)
    again = asked.recompute and asked.recompute != "none"
    if asked.recompute is None:
        again = device.type == "cuda" and parameters_of(model) >= BIG
    if again:
        inner(model).gradient_checkpointing_enable({"use_reentrant": False})
        if adapted:
            inner(model).enable_input_require_grads()
    packed = model.config._attn_implementation == PACKED
    budget = before.tokens_per_pass if before else asked.tokens_per_pass or PLAIN_TOKENS
    chosen = before is None and not asked.tokens_per_pass and packed and again
    if chosen and device.type == "cuda" and isinstance(model, Whole):
        there = free_bytes(asked, device) - 2 * adapters.values.nbytes  # moments are yet to come
        budget = about["tokens_per_pass"] = roomiest(
            model,
            there,
            *work,
        )
    kind, speaking = Plain, None
    if isinstance(model, ShardedWhole):  # whose weights are here only while they are gathered
        kind = PlainShard
    elif isinstance(model, Whole) and asked.fused is not False:
        speaking, about["answers"] = _speaking(model, device)
    engine = kind(
        model,
        adapters,
        device,
        budget if packed else 1,
        speaking=speaking,
    )
    plan = PassPlan(budget, Policy(())) if "tokens_per_pass" in about else None
    return ChosenEngine(engine, about, plan)


def _speaking(model: Whole, device: torch.device) -> tuple[Stack | None, str]:
    """The layers by which a model answers whose own weights learn, and who answers otherwise.

    On CUDA, where answers are captured. A weight of float32 is its own master, and lies where the
    optimizer wants it: layers with one input cannot be laid side by side.
    """
    if device.type != "cuda":
        return None, "transformers: no CUDA device"
    if any(p.dtype in WIDE for p in model.learned().values()):
        return None, "transformers: float32 weights"
    stack = make_stack(inner(model), learning=False)
    return (None, f"transformers: {stack}") if isinstance(stack, str) else (stack, "fused")


def _asked_policy(stack: Stack, asked: EngineOptions) -> Policy:
    return Policy(
        (LEAST[asked.recompute or "none"],) * len(stack.layers),
    )


def _on_cuda(
    stack: Stack, adapters: FlatAdamW, asked: EngineOptions, device: torch.device,
    samples: Sequence[Sample], plan: Plan, before: PassPlan | None,
) -> ChosenEngine:  # fmt: skip
    """Predict, choose, run the largest pass; give up memory until it really fits."""
    first = stack.layers[0]
    shape = replace(
        shape_of(stack_config(stack), stack.head.weight.element_size()),
        before=first.before_attention is not None,
        behind=isinstance(first.behind_attention, Norm),
    )
    if any(isinstance(group.weight, Nf4) for group in stack.groups):
        shape = replace(shape, packed=NF4)
    # Adam's two moments come with the first update; recovery's copy of values and moments as well.
    fixed = SLACK + 5 * adapters.values.nbytes
    states = states_bytes(shape, _held_tokens(samples))
    on_host = states > STATES * (free_bytes(asked, device) - fixed)
    fixed += 0 if on_host else states
    room = float("inf")
    graphs = asked.cuda_graphs is not False and has_kernel(stack.head.weight)
    for _ in range(6):
        room = min(0.9 * room, free_bytes(asked, device) - fixed)  # others may take of it meanwhile
        found = before or choose_pass_plan(
            shape, room, lambda budget: size_of(largest_pass(samples, plan, budget)), asked
        )
        if found is None:
            break
        rows = largest_pass(samples, plan, found.tokens_per_pass)
        # Page-locked memory must not be taken while a graph is captured; such passes are long.
        replay = graphs and Keep.HOST not in found.policy.keep
        size = size_of(rows)
        used = needed(shape, found.policy, size.tokens, size.learned, size.soft)
        engine = Fast(
            stack, adapters, device, found.tokens_per_pass, found.policy, replay,
            spare=max(0.0, room - used) / 2,  # evaluations need room to compute in, too
            states_on_host=on_host,
        )  # fmt: skip
        base = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        try:
            engine.largest(rows)
        except RuntimeError as error:
            if not ran_out(error):
                raise
            before = None
        else:
            adapters.zero()
            return ChosenEngine(engine, {
                "engine": "fused", "keep": str(found.policy),
                "tokens_per_pass": found.tokens_per_pass, "largest_pass": size.tokens,
                "predicted": int(base + used),
                "measured": torch.cuda.max_memory_allocated(device),
                **({"base_states": states, "states_on_host": on_host} if states else {}),
            }, found)  # fmt: skip
        del engine
        gc.collect()
        torch.cuda.empty_cache()
    raise Refusal(_too_long(shape, samples, free_bytes(asked, device), asked.base_dtype))


def _too_long(
    shape: Shape,
    samples: Sequence[Sample],
    there: float,
    base_dtype: str | None,
) -> SetupFacts:
    """The row that does not fit into the bytes that are there, and a way to train by which it
    would."""
    longest = max(samples, key=lambda row: len(row.ids))
    least = Policy((Keep.HOST,) * shape.layers, TILES[-1], HEAD_ROWS // 2)
    wanted = needed(shape, least, len(longest.ids), longest.learned)
    helps = base_dtype is None and saved(shape) > wanted - there  # FP8 and NF4 exclude each other
    short = Text(
        f"{wanted / GIB:.1f} GiB needed, {there / GIB:.1f} GiB free",
        f"需要 {wanted / GIB:.1f} GiB，空闲 {there / GIB:.1f} GiB",
    )
    return SetupFacts(
        "out-of-memory",
        str(longest.origin),
        found=short,
        nearest=f"--train_type {QLORA.name}" if helps else "",
    )


def _held_tokens(samples: Sequence[Sample]) -> int:
    """At most so many different tokens are held to the base: anchors stand in for each other."""
    each = [sample.learned for sample in samples if sample.soft]
    return min(len(each), len(general_questions())) * max(each, default=0)


def choose_pass_plan(
    shape: Shape,
    room: float,
    largest: Callable[[int], Size],
    asked: EngineOptions,
) -> PassPlan | None:
    """The longest passes whose layers need not give up anything; else the shortest, giving up.

    `largest` says what the plan's largest pass holds under a token budget.
    """
    least = LEAST[asked.recompute] if asked.recompute else Keep.ALL
    plan = None
    for budget in (asked.tokens_per_pass,) if asked.tokens_per_pass else BUDGETS:
        size = largest(budget)
        policy = choose_policy(
            shape,
            room,
            size.tokens,
            size.learned,
            least,
            size.soft,
        )
        if policy is None:
            continue
        plan = PassPlan(budget, policy)
        if set(policy.keep) == {least}:
            return plan
    return plan


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


def largest_pass(
    samples: Sequence[Sample],
    plan: Plan,
    budget: int,
) -> list[Sample]:
    """The rows of the plan's pass with the most tokens."""
    best: list[Sample] = []
    for update in plan.updates:
        rows = [samples[i] for i in update.samples]
        for group in packs([len(row.ids) for row in rows], budget):
            chosen = [rows[i] for i in group]
            if sum(len(r.ids) for r in chosen) > sum(len(r.ids) for r in best):
                best = chosen
    return best
