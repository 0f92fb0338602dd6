"""What rows begin alike with is computed once: the same losses and gradients, whatever is shared.

In float64 the algebra is exact but for the order of sums; the kernels are compared in test_cuda.py.
"""

from __future__ import annotations

import random
from array import array
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor

from suretune.data import prefixes as prefixes_module
from suretune.data.pass_layout import Size, lay_out, size_of
from suretune.data.prefixes import SHORT, _groups, _repeats, choose_prefixes, head_of
from suretune.model import flash, fused, ops
from suretune.model.attention import one_row
from suretune.model.flash import Rows, attend, attend_backward
from suretune.model.fused import gradient, keep_all
from suretune.model.lora import trainable
from suretune.model.packed_batch import make_pass, token_logits
from suretune.model.recompute import Keep, Policy
from suretune.train import engine as engine_module
from suretune.train.buckets import CAPTURE, choose_buckets
from suretune.train.engine import Bucket, Fast
from suretune.train.flat_adamw import FlatAdamW
from suretune.types import Origin, Sample, Span
from test_fused import exact_norms, gap, nats_dtype, stack_of, tuned
from test_laws import checked, samples, trains_by_both_engines_alike
from test_soft import WEIGHT, by_the_formula, close, engine, plan_of, take_updates
from test_soft import gradient as engine_gradient

__all__ = ["checked", "exact_norms", "samples"]  # fixtures
CPU = torch.device("cpu")


def some_tokens(count: int, seed: int) -> list[int]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(3, 61, (count,), generator=generator).tolist()


ONE, OTHER = some_tokens(14, 100), some_tokens(9, 101)


def row(prefix: Sequence[int], own: int, seed: int, *, soft: bool = False) -> Sample:
    """So many tokens behind a prefix, of which all but the first are learned (but not of one)."""
    ids = [*prefix, *some_tokens(own, seed)]
    start = len(prefix) + 1
    spans = (Span(start, len(ids) - 1, 1.0), Span(len(ids) - 1, len(ids), 0.5))
    given = tuple(span for span in spans if start <= span.start < span.end)
    return Sample(Origin("rows.jsonl", seed, 0), "", array("I", ids), given, "", soft=soft)


def prefix(ids: Sequence[int]) -> array[int]:
    return array("I", ids)


CASES = {
    "one": ([row(ONE, n, n) for n in (6, 3, 9)], [ONE]),
    "two, and rows that share none": (
        [row(ONE, 6, 1), row(OTHER, 5, 2), row([], 12, 3), row(OTHER, 4, 4), row(ONE, 3, 5)],
        [ONE, OTHER],
    ),
    "one within the other": (
        [row(ONE, 6, 1), row(ONE[:9], 5, 2), row(ONE, 4, 3), row(ONE[:9], 3, 4)],
        [ONE, ONE[:9]],
    ),
    "one token more": ([row(ONE, 6, 1), row(ONE, 1, 2), row(ONE, 1, 3), row([5], 0, 4)], [ONE]),
    "identical rows": ([row(ONE, 4, 1)] * 3, [ONE]),
    "a single row has it": ([row(ONE, 6, 1), row(OTHER, 5, 2), row(OTHER, 3, 3)], [ONE, OTHER]),
    "nobody has it": ([row([], 6, 1), row([], 5, 2)], [ONE]),
}
every_case = pytest.mark.parametrize("case", CASES)
FAMILIES: list[tuple[str, dict[str, Any]]] = [
    ("Qwen2", {}), ("Qwen3", {}), ("Llama", {"num_key_value_heads": 1}),
    ("Mistral", {"sliding_window": 5}), ("Mistral", {"sliding_window": 17}),
    ("Gemma3Text", {}), ("Ministral3", {}), ("SmolLM3", {}), ("Olmo2", {}),
]  # fmt: skip


def both(model: Any, stack: Any, case: str, policy: Policy | None = None) -> Any:
    """(nats, gradients) without sharing, and with it."""
    given, shared = CASES[case]
    made = []
    for chosen in ((), tuple(prefix(ids) for ids in shared)):
        batch = make_pass(given, CPU, prefixes=chosen)
        factors = batch.weights.to(nats_dtype(model))
        nats = gradient(stack, batch, factors, policy or keep_all(stack))
        grads = {}
        for name, parameter in trainable(model).items():
            assert parameter.grad is not None
            grads[name], parameter.grad = parameter.grad.clone(), None
        made.append((nats, grads))
    return made


def same(made: Any, limit: float) -> None:
    (nats, grads), (again, found) = made
    assert gap(again, nats) < limit
    assert max(gap(found[name], grads[name]) for name in grads) < limit


@every_case
@pytest.mark.parametrize(("family", "config"), FAMILIES)
def test_shared_equals_unshared(case: str, family: str, config: dict[str, Any]) -> None:
    model = tuned(family, **config)
    same(both(model, stack_of(model), case), 1e-10)


@every_case
def test_shared_equals_unshared_in_single_precision(case: str) -> None:
    model = tuned("Qwen3", torch.float32)
    same(both(model, stack_of(model), case), 2e-5)


@pytest.mark.parametrize("keep", [Keep.MLP_AGAIN, Keep.INPUT, Keep.HOST])
def test_what_is_kept_changes_nothing_where_rows_share(keep: Keep) -> None:
    model = tuned("Qwen3")
    stack = stack_of(model)
    policy = Policy((keep, Keep.ALL, keep), 7, head_rows=5)
    same(both(model, stack, "two, and rows that share none", policy), 1e-10)


@every_case
def test_each_token_lies_where_its_row_and_its_place_say(case: str) -> None:
    """It sees what it sees in a row alone, at the same positions; what is learned is there."""
    given, shared = CASES[case]
    chosen = tuple(prefix(ids) for ids in shared)
    batch = make_pass(given, CPU, prefixes=chosen)
    if case == "nobody has it":
        assert batch.shared is None
        return
    assert batch.shared is not None
    ids, positions = batch.ids[0].tolist(), batch.positions[0].tolist()
    first = len(batch.starts) - 1 - len(given)
    seen = list(pairwise(batch.shared.starts.tolist()))
    keys = batch.shared.keys.tolist()
    for sample, (begin, end) in zip(given, seen[first:], strict=True):
        assert [ids[key] for key in keys[begin:end]] == list(sample.ids)
        assert [positions[key] for key in keys[begin:end]] == list(range(len(sample.ids)))
    plain = make_pass(given, CPU)
    assert torch.equal(batch.targets, plain.targets) and torch.equal(batch.weights, plain.weights)
    assert torch.equal(batch.ids[0][batch.sources], plain.ids[0][plain.sources])
    assert torch.equal(batch.positions[0][batch.sources], plain.positions[0][plain.sources])
    size = size_of(given, chosen)
    assert size.tokens == len(ids) and size.keys == len(keys) and size.rows == len(seen)
    assert size.longest == batch.longest and size.longest_keys == batch.shared.longest
    assert size.longest_keys == max(len(sample.ids) for sample in given)
    assert sorted(batch.shared.places.tolist()) == list(range(len(keys)))


def test_prefixes_are_laid_once_and_only_where_two_rows_have_them() -> None:
    tokens = {case: size_of(given, tuple(map(prefix, shared))).tokens
              for case, (given, shared) in CASES.items()}  # fmt: skip
    plain = {case: size_of(given).tokens for case, (given, _) in CASES.items()}
    saved = {case: plain[case] - tokens[case] for case in CASES}
    assert saved == {
        "one": 28, "two, and rows that share none": 23, "one within the other": 23,
        "one token more": 28, "identical rows": 28, "a single row has it": 9, "nobody has it": 0,
    }  # fmt: skip
    laid = {case: lay_out(given, tuple(map(prefix, shared))).first
            for case, (given, shared) in CASES.items()}  # fmt: skip
    assert laid == {
        "one": 1, "two, and rows that share none": 2, "one within the other": 2,
        "one token more": 1, "identical rows": 1, "a single row has it": 1, "nobody has it": 0,
    }  # fmt: skip


# --- attention ----------------------------------------------------------------------------------


def test_queries_of_the_last_tokens_see_what_they_see_among_all() -> None:
    torch.manual_seed(0)
    q, k, v = (torch.randn(1, heads, 12, 8, dtype=torch.float64) for heads in (4, 2, 2))
    for window in (None, 3, 9, 12, 40):
        whole = one_row(q, k, v, 0.3, window)
        for last in (1, 5, 12):
            part = one_row(q[:, :, -last:], k, v, 0.3, window)
            assert torch.allclose(part, whole[:, :, -last:], rtol=0, atol=1e-14)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_a_segments_sum_reads_nothing_but_the_segment(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    values = torch.randn(7, 2, 3).to(dtype)
    values[[1, 5]] = float("nan")
    places = torch.tensor([6, 0, 3, 2, 4, 0, 0])  # of the last two nobody has anything
    found = ops.segment_sum(values, places, torch.tensor([0, 2, 2, 5]))
    want = torch.stack([
        values[[6, 0]].double().sum(0), torch.zeros(2, 3).double(),
        values[[3, 2, 4]].double().sum(0),
    ]).to(dtype)  # fmt: skip
    assert found.dtype == dtype and torch.allclose(found, want, rtol=1e-6)


def test_many_halves_are_added_in_single_precision() -> None:
    """By themselves 1 + 2 ** -9 is 1 in bfloat16, however often."""
    values = torch.full((257, 1), 2.0**-9).to(torch.bfloat16)
    values[0] = 1.0
    found = ops.segment_sum(values, torch.arange(257), torch.tensor([0, 257]))
    assert float(found) == 1.5


def test_attention_and_its_gradient_are_those_of_the_rows_apart() -> None:
    """Of the padded pass, whose unused gradients are poisoned; window and all before."""
    given, chosen = CASES["two, and rows that share none"][0], (prefix(ONE), prefix(OTHER))
    size = size_of(given, chosen)
    room = replace(size, tokens=size.tokens + 9, rows=size.rows + 3, keys=size.keys + 20)
    padded, plain = make_pass(given, CPU, prefixes=chosen, room=room), make_pass(given, CPU)
    tables = [torch.randn(61, 120, heads, 8, dtype=torch.float64) for heads in (4, 2, 2)]
    for window in (None, 4):
        ends = []
        for batch in (plain, padded):
            q, k, v = (t[batch.ids[0], batch.positions[0]] for t in tables)
            rows = Rows(batch.starts, batch.longest, batch.shared)
            done = attend(q, k, v, rows, 0.3, window)
            dout = torch.zeros_like(done.out)
            dout[batch.sources[: len(plain.sources)]] = 1.0
            back = attend_backward(dout, q, k, v, done, rows, 0.3, window)
            assert all(bool(d.isfinite().all()) for d in (done.out, *back))
            ends.append((batch, done.out[batch.sources[: len(plain.sources)]], back))
        (_, one, d_plain), (_, other, d_shared) = ends
        assert torch.allclose(one, other, rtol=0, atol=1e-12)
        for d, shared in zip(d_plain, d_shared, strict=True):
            sums = []
            for batch, part in ((plain, d), (padded, shared)):  # by token and place
                whole = torch.zeros(61 * 120, *part.shape[1:], dtype=torch.float64)
                sums.append(whole.index_add_(0, batch.ids[0] * 120 + batch.positions[0], part))
            assert torch.allclose(*sums, rtol=0, atol=1e-12)


# --- the engine ---------------------------------------------------------------------------------


def anchored() -> list[Sample]:
    """Rows of a long prefix, of another one and of none, a third of them held to the base."""
    heads = (ONE, ONE, OTHER, ONE, [], ONE)
    return [
        row(heads[i % 6], 4 + 5 * i % 7, 50 + i, soft=i % 3 == 1) for i in range(12)
    ]  # fmt: skip


def preparing(model: Any, given: list[Sample], **how: Any) -> Any:
    made: Any = engine(model, fast=True, **how)
    made.prepare(given, plan_of(given), 0)
    return made


def test_rows_held_to_the_base_share_like_others(monkeypatch: pytest.MonkeyPatch) -> None:
    model, given = tuned("Qwen2"), anchored()
    asked: list[int] = []
    real = fused.base_hidden

    def counted(stack: Any, batch: Any, policy: Policy) -> Tensor:
        asked.append(batch.ids.shape[1])
        return real(stack, batch, policy)

    monkeypatch.setattr(fused, "base_hidden", counted)
    made = preparing(model, given)
    soft = [one for one in given if one.soft]
    assert asked == [size_of(soft, (prefix(ONE),)).tokens] and asked[0] < size_of(soft).tokens
    assert [p.tolist() for p in made.prefixes] == [ONE, OTHER]
    loss, found = engine_gradient(made, given)
    made.adapters.zero()
    assert abs(by_the_formula(model, given) - loss) < 1e-10
    assert torch.allclose(made.adapters.gradient, found, rtol=0, atol=1e-10 * found.abs().max())
    for budget in (1, 60, 4096):
        made.tokens_per_pass = budget
        again, other = engine_gradient(made, given)
        assert abs(again - loss) < 1e-12 and close(other, found, 1e-11)


def test_passes_are_cut_by_rows_as_they_are_alone() -> None:
    made = preparing(tuned("Qwen2"), anchored())
    made.tokens_per_pass = 60
    cut = made._passes(anchored())
    assert all(sum(len(row.ids) for row in rows) <= 60 for rows in cut)


@pytest.mark.parametrize("on_host", [False, True])
def test_padding_changes_nothing_where_rows_share(on_host: bool) -> None:
    given = anchored()
    made = preparing(tuned("Qwen2"), given)
    made.states.on_host = on_host
    whole = size_of(given, made.prefixes)
    room = replace(
        whole, tokens=whole.tokens + 40, rows=whole.rows + 5, learned=whole.learned + 9,
        soft=whole.soft + 7, keys=whole.keys + 61,
    )  # fmt: skip
    bucket = Bucket(made, room)
    alone = [r for r in given if r.ids[:3] != prefix(ONE[:3])]
    for chosen in (given, [r for r in given if not r.soft], given[:2], given[:1], alone, given):
        size = size_of(chosen, made.prefixes)
        if not bucket.fits(size):
            longer = max(room.longest, size.longest)
            bucket = Bucket(made, replace(room, rows=room.rows + 20, longest=longer))
        made.adapters.zero()
        batch = make_pass(chosen, CPU, parted=True, prefixes=made.prefixes)
        plain = made.one(batch, 1 / WEIGHT, made.held(chosen))
        want = made.adapters.gradient.clone()
        made.adapters.zero()
        padded = bucket.run(chosen, 1 / WEIGHT)
        assert float(abs(padded - plain)) < 1e-6 * float(plain)
        assert close(made.adapters.gradient, want, 1e-6)
    for name in ("keys", "longest_keys"):
        assert not bucket.fits(replace(whole, **{name: getattr(room, name) + 1}))
    # Padding has keys of its own.
    few = replace(room, keys=whole.keys + 39)
    assert not Bucket(made, few).fits(whole) and Bucket(made, replace(few, keys=few.keys + 1)).fits(
        whole
    )
    with pytest.raises(ValueError, match="keys do not fit"):
        make_pass(given, CPU, parted=True, prefixes=made.prefixes, room=few)


def test_a_pass_that_shares_has_no_room_where_nothing_is_shared() -> None:
    given, shared = CASES["one"]
    size = size_of(given, (prefix(shared[0]),))
    made: Any = engine(tuned("Qwen2"), fast=True)
    room = replace(size, keys=0, longest_keys=0)
    assert not Bucket(made, room).fits(size)
    with pytest.raises(ValueError, match="keys do not fit"):
        make_pass(given, CPU, prefixes=(prefix(shared[0]),), room=room)
    with pytest.raises(ValueError, match="do not fill"):
        make_pass(given, CPU, room=room)  # unshared they are more tokens
    with pytest.raises(ValueError, match="do not fill"):
        make_pass(given, CPU, room=Size(200, 4, 30, 20))


WEIGHTS = round(CAPTURE / 2048)  # of a layer


def test_buckets_have_room_for_every_key() -> None:
    sizes = [Size(600 + 9 * i, 12, 200, 60, 0, 900 + 31 * i % 100, 90 + i % 3) for i in range(10)]
    made = choose_buckets(sizes, WEIGHTS)
    for size in sizes:
        best = next(b for b in made if b.tokens >= size.tokens)
        assert best.keys >= size.keys + best.tokens - size.tokens
        assert best.longest_keys >= size.longest_keys
    (plain,) = choose_buckets([Size(600, 12, 200, 60)], WEIGHTS)
    assert plain.keys == plain.longest_keys == 0


def test_gone_on_with_it_has_the_bits_of_a_run_never_stopped_where_rows_share() -> None:
    given = anchored()
    plan = plan_of(given)

    def updates(made: Any, start: int, end: int) -> None:
        take_updates(made, given, plan, start, end)
        assert made.prefixes

    def fresh() -> Any:
        return engine(tuned("Qwen2", torch.float32), fast=True)

    never = fresh()
    updates(never, 0, len(plan.updates))
    for stop in range(1, len(plan.updates)):
        before, after = fresh(), fresh()
        updates(before, 0, stop)
        after.adapters.values.data.copy_(before.adapters.values)
        after.adapters.load_state(
            {name: tensor.clone() for name, tensor in before.adapters.state().items()}
        )
        after.restored()
        updates(after, stop, len(plan.updates))
        assert torch.equal(after.adapters.values, never.adapters.values)


@pytest.mark.parametrize(("ask", "computes"), [("mean_loss", "losses"), ("drift", "divergences")])
def test_evaluations_share_by_their_rows_alone(
    ask: str, computes: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that goes on to its proof does not train before it evaluates: the same bits."""
    model, given = tuned("Qwen2", torch.float32), anchored()
    tokens: list[int] = []
    real = getattr(fused, computes)
    monkeypatch.setattr(
        fused, computes,
        lambda stack, batch, policy: tokens.append(batch.ids.shape[1])
        or real(stack, batch, policy),
    )  # fmt: skip
    trained, fresh = preparing(model, [*given, row([], 30, 77)]), engine(model, fast=True)
    assert trained.prefixes and not fresh.prefixes
    found = [getattr(by, ask)(given) for by in (trained, fresh)]
    assert found[0] == found[1] > 1e-3
    shared = size_of(given, choose_prefixes(given, len(given))).tokens
    assert tokens == [shared, shared] and shared < size_of(given).tokens
    monkeypatch.setattr(prefixes_module, "WORTH", float("inf"))
    assert getattr(fresh, ask)(given) == pytest.approx(found[0], rel=1e-4)
    assert tokens[2:] == [size_of(given).tokens]


def test_what_is_shared_follows_from_all_updates_wherever_a_run_goes_on() -> None:
    """Of each row as often as it is used: not of those that stand among the samples alone."""
    many = [row(ONE, 6, n) for n in range(4)]
    few = [row(OTHER, 6, 10 + n) for n in range(4)]
    given, never_used = [*many, *few], [row(some_tokens(20, 5), 3, 50 + n) for n in range(40)]
    plan = plan_of(given)
    last = replace(plan.updates[-1], samples=(0, 1))
    plan = replace(plan, updates=(replace(last, samples=tuple(range(8))), last, last))
    for done in (0, 1, 3):
        made: Any = engine(tuned("Qwen2"), fast=True)
        made.prepare([*given, *never_used], plan, done)
        assert [p.tolist() for p in made.prefixes] == [ONE, OTHER]


def test_what_a_capture_costs_is_told_by_all_of_a_layers_weights(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = tuned("Qwen2")
    made: Any = engine(model, fast=True)
    told: list[int] = []
    monkeypatch.setattr(
        engine_module, "choose_buckets", lambda _, weights: told.append(weights) or []
    )
    assert made._captured([])
    layer = model.base_model.model.model.layers[0]
    linear = [p for n, p in layer.named_parameters() if "lora" not in n and n.endswith("weight")]
    assert told == [sum(p.numel() for p in linear if p.dim() == 2)]


def test_tokens_that_a_run_is_told_to_have_computed_are_those() -> None:
    given = anchored()
    made, plain = preparing(tuned("Qwen2"), given), engine(tuned("Qwen2"), fast=False)
    whole = sum(len(one.ids) for one in given)
    assert plain.computed(given) == whole
    assert made.computed(given) == size_of(given, made.prefixes).tokens < whole


def test_with_a_common_prompt_it_trains_as_the_plain_engine(
    checked: Any, samples: list[Sample], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twelve updates by both engines, each row behind the same forty tokens."""
    prompt = array("I", [int(token) for token in samples[0].ids[:5]] * 8)
    given = [
        replace(
            one,
            ids=prompt + one.ids,
            spans=tuple(
                replace(span, start=span.start + 40, end=span.end + 40) for span in one.spans
            ),
        )
        for one in samples
    ]
    shared: list[tuple[int, int]] = []
    real = engine_module.make_pass

    def laid(rows: Sequence[Sample], *rest: Any, **how: Any) -> Any:
        made = real(rows, *rest, **how)
        shared.append((sum(len(r.ids) for r in rows), made.ids.shape[1]))
        return made

    monkeypatch.setattr(engine_module, "make_pass", laid)
    trains_by_both_engines_alike(checked, given)
    assert shared and all(now < 0.7 * before for before, now in shared)


@pytest.mark.parametrize(
    "less", [{"learned": 1}, {"soft": 1}, {"longest": 1}, {"longest_keys": 1}, {"keys": 1}]
)
def test_rows_that_do_not_fit_are_never_cut(less: dict[str, int]) -> None:
    given, shared = anchored(), (prefix(ONE), prefix(OTHER))
    room = size_of(given, shared)
    make_pass(given, CPU, parted=True, prefixes=shared, room=room)
    few = {name: getattr(room, name) - one for name, one in less.items()}
    with pytest.raises(ValueError, match=r"do not (fit|fill)"):
        make_pass(given, CPU, parted=True, prefixes=shared, room=replace(room, **few))


def test_a_pass_that_shares_nothing_fits_among_those_that_do() -> None:
    """Its keys are its own tokens."""
    given, shared = CASES["one"]
    alone = [row([], 12, 3), row([], 9, 4)]
    chosen = (prefix(shared[0]),)
    size = size_of(alone, chosen)
    assert size.keys == size.tokens == 21 and size.longest_keys == 12
    (bucket,) = choose_buckets([size, size_of(given, chosen)], 1)
    made: Any = engine(tuned("Qwen2"), fast=True)
    made.prefixes = chosen
    assert all(Bucket(made, bucket).fits(s) for s in (size, size_of(given, chosen)))
    assert make_pass(alone, CPU, prefixes=chosen, room=bucket).shared is not None


# --- the choice ---------------------------------------------------------------------------------


def chosen(given: Sequence[Sample], together: int | None = None) -> list[list[int]]:
    found = choose_prefixes(given, len(given) if together is None else together)
    return [one.tolist() for one in found]


def test_the_choice_saves_most() -> None:
    same_head = [row(ONE, n, n) for n in (6, 3, 9)]
    assert chosen(same_head) == [ONE]
    assert chosen([*same_head, *(row(OTHER, n, 20 + n) for n in (4, 5))]) == [ONE, OTHER]
    # Two groups of three that share eight tokens: 2 * 14 twice against 5 * 8 at once.
    fork = [[*ONE[:8], *some_tokens(6, seed)] for seed in (7, 8)]
    given = [row(fork[i % 2], 5, i) for i in range(6)]
    assert sorted(chosen(given)) == sorted(fork)
    # And two of three: 8 saved four times against twice 9.
    near = [[*ONE[:8], 50], [*ONE[:8], 51]]
    assert chosen([row(near[i % 2], 5, i) for i in range(4)]) == [ONE[:8]]


def brute(common: list[int], repeats: list[float]) -> float:
    """The most that any cut into neighbours saves."""
    rows = len(common) + 1
    best = 0.0
    for cuts in range(2 ** (rows - 1)):
        total, start = 0.0, 0
        for end in range(1, rows + 1):
            if end == rows or cuts >> (end - 1) & 1:
                shared = min(common[start : end - 1], default=0)
                total += repeats[end - start] * (shared if shared >= SHORT else 0)
                start = end
        best = max(best, total)
    return best


def test_no_other_cut_saves_more() -> None:
    rng = random.Random(0)
    for drawn in (2, 4, 9) * 10:
        common = [rng.choice((0, 3, 8, 9, 12, 30)) for _ in range(8)]
        repeats = _repeats(9, drawn)
        groups = _groups(common, repeats)
        assert sum(saved for saved, *_ in groups) == pytest.approx(brute(common, repeats))
    assert _repeats(5, 5) == [0, 0, 1, 2, 3, 4]


def test_what_rarely_meets_counts_little() -> None:
    """Of many rows two are nearly alike; a pass of eight seldom has both."""
    given = [row(ONE, 8, i) for i in range(60)]
    given += [row([*ONE, *some_tokens(50, 500)], 8, 100 + i) for i in range(2)]
    assert chosen(given, 8) == [ONE]
    assert len(chosen(given)) == 2


def test_rows_longer_than_a_pass_do_not_meet() -> None:
    given = [row(ONE, 5000, i) for i in range(6)]
    assert chosen(given) == []


def test_no_learned_token_and_none_that_predicts_one_is_in_a_prefix() -> None:
    given = [row(ONE, 6, 1)] * 4
    (found,) = chosen(given)
    assert found == ONE  # not one token more, as far as the rows are the same
    early = replace(given[0], spans=(Span(9, 12, 1.0),))
    assert head_of(early) == 8 and chosen([early] * 4) == [ONE[:8]]
    laid = lay_out([early, *given], (prefix(ONE),))
    assert len(laid.sequences[1]) == len(early.ids) and laid.seen == [-1, -1, 0, 0, 0, 0]
    nothing = replace(given[0], spans=())
    assert head_of(nothing) == len(nothing.ids) - 1


@pytest.mark.parametrize(
    "given",
    [
        [],
        [row(ONE, 6, 1)],
        [row([], 20, i) for i in range(9)],
        [row(ONE[: SHORT - 1], 20, i) for i in range(9)],
        [row(ONE, 2000, 1), row(ONE, 1500, 2)],
    ],
    ids=["no rows", "one row", "nothing in common", "too little", "too little of long rows"],
)
def test_where_nothing_is_worth_it_all_is_as_it_was(given: list[Sample]) -> None:
    assert chosen(given) == []
    if given:
        batch = make_pass(given, CPU, prefixes=choose_prefixes(given, len(given)))
        assert batch.shared is None and len(batch.tensors) == 8
        assert (
            batch.starts.tolist()[1:]
            == torch.tensor([len(r.ids) for r in given]).cumsum(0).tolist()
        )
        assert size_of(given).keys == 0


def test_what_saves_too_little_is_not_shared() -> None:
    """A twentieth of the tokens at least: of ten rows 9 * 14."""
    for own in (230, 250):  # of 2,440 tokens and of 2,640
        given = [row(ONE, own, n) for n in range(10)]
        tokens = sum(len(one.ids) for one in given)
        assert chosen(given) == ([ONE] if tokens / 20 <= 9 * 14 else [])
        assert (own == 230) == bool(chosen(given))


def test_the_choice_is_the_same_whenever_it_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    given = [row(ONE if i % 3 else OTHER, 4 + i % 7, i) for i in range(50)]
    assert chosen(given) == chosen(given) == [ONE, OTHER]
    monkeypatch.setattr(prefixes_module, "SAMPLED", 10)
    assert chosen(given) == [ONE, OTHER]
    ordered = sorted(given, key=lambda one: one.ids[:9] == prefix(OTHER))
    assert chosen(ordered) == [ONE, OTHER]  # the other's rows come last
    monkeypatch.setattr(prefixes_module, "MOST", 1)
    assert chosen(given) == [ONE]


def test_the_reference_takes_no_prefix_for_granted() -> None:
    """Rows without what is shared keep the path that they had: no mask is made."""
    torch.manual_seed(0)
    q = torch.randn(9, 4, 8)
    rows = Rows(torch.tensor([0, 4, 9], dtype=torch.int32), 5)
    alone = torch.cat([
        one_row(*(x[a:b].transpose(0, 1)[None] for x in (q, q, q)), 0.3, None)[0].transpose(0, 1)
        for a, b in ((0, 4), (4, 9))
    ])  # fmt: skip
    assert torch.equal(attend(q, q, q, rows, 0.3, None).out, alone)
    assert flash._gathered(q, q, None)[0] is q


def test_what_computes_rows_alone_takes_no_pass_that_shares() -> None:
    batch = make_pass(CASES["one"][0], CPU, prefixes=(prefix(ONE),))
    with pytest.raises(ValueError, match="know no keys that rows share"):
        token_logits(tuned("Qwen2"), batch)


def test_a_fast_engine_shares_nothing_before_it_is_prepared() -> None:
    model = tuned("Qwen2")
    made = Fast(
        stack_of(model), FlatAdamW(trainable(model), 0.0), CPU, 4096,
        keep_all(stack_of(model)), graphs=False,
    )  # fmt: skip
    assert made.prefixes == ()
