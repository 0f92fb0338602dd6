"""Anchors held to the base's probabilities: the gradient is autograd's, whatever the passes; what
the base says is computed once, and a run that goes on has the bits of one never stopped."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from suretune.config import Resolved
from suretune.data.anchors import NAME, answered
from suretune.data.choose import ANCHORS
from suretune.data.pass_layout import Size, size_of
from suretune.model import fused, states
from suretune.model.fused import keep_all
from suretune.model.lora import trainable
from suretune.model.packed_batch import make_pass
from suretune.model.recompute import Keep, Policy
from suretune.preflight.check import check
from suretune.preflight.flags import misused_flags
from suretune.record.journal import Journal, Stopped
from suretune.run.anchors import with_anchors
from suretune.train.buckets import CAPTURE, choose_buckets
from suretune.train.door import Engine
from suretune.train.engine import Bucket, Fast
from suretune.train.flat_adamw import FlatAdamW
from suretune.train.plain_engine import Plain
from suretune.types import Plan, Sample, Schedule, Update
from test_fused import exact_norms, rows, stack_of, tuned

__all__ = ["exact_norms"]  # a fixture
CPU = torch.device("cpu")
WEIGHT = 64.0  # of the update: exact in float32, as the rows' weights are


def mixed() -> list[Sample]:
    """Rows and anchors by turns."""
    return [replace(row, soft=bool(i % 2)) for i, row in enumerate(rows(9, 14, 7, 11, 16, 8))]


def engine(model: Any, *, fast: bool, policy: Policy | None = None) -> Engine:
    adapters = FlatAdamW(trainable(model), 0.0)
    if not fast:
        return Plain(model, adapters, CPU, 4096)
    stack = stack_of(model)
    return Fast(stack, adapters, CPU, 4096, policy or keep_all(stack), graphs=False)


def gradient(made: Any, given: list[Sample]) -> tuple[float, Tensor]:
    made.adapters.zero()
    loss = made.backward(given, WEIGHT, 1.0)
    return float(loss), made.adapters.gradient.clone()


def by_the_formula(model: Any, given: list[Sample]) -> float:
    """Row by row, with the divergence written out; gradients are left in the adapters."""
    whole = torch.zeros((), dtype=torch.float64)
    for row in given:
        ids = torch.tensor([list(row.ids)])
        starts = torch.tensor([0, ids.shape[1]], dtype=torch.int32)
        bounds = {"cu_seq_lens_q": starts, "cu_seq_lens_k": starts,
                  "max_length_q": ids.shape[1], "max_length_k": ids.shape[1]}  # fmt: skip
        q = model(input_ids=ids, use_cache=False, **bounds).logits[0].softmax(-1)
        with torch.no_grad(), model.disable_adapter():
            p = model(input_ids=ids, use_cache=False, **bounds).logits[0].softmax(-1)
        for span in row.spans:
            for place in range(span.start, span.end):
                now = q[place - 1]
                nats = -now[row.ids[place]].log()
                if row.soft:
                    then = p[place - 1]
                    nats = (then * (then / now).log() + now * (now / then).log()).sum() / 2
                whole = whole + nats * span.weight / WEIGHT
    whole.backward()  # type: ignore[no-untyped-call]
    return float(whole.detach())


@pytest.mark.parametrize("family", ["Qwen2", "Gemma"])
@pytest.mark.parametrize("fast", [False, True])
def test_the_gradient_is_autograds(family: str, fast: bool) -> None:
    model, given = tuned(family), mixed()
    made: Any = engine(model, fast=fast)
    loss, found = gradient(made, given)
    made.adapters.zero()
    assert abs(by_the_formula(model, given) - loss) < 1e-10
    assert torch.allclose(made.adapters.gradient, found, rtol=0, atol=1e-10 * found.abs().max())
    hard, _ = gradient(made, [replace(row, soft=False) for row in given])
    assert abs(hard - loss) > 0.1  # it is not the same loss by another name


@pytest.mark.parametrize("fast", [False, True])
def test_passes_and_what_is_kept_change_nothing(fast: bool) -> None:
    model, given = tuned("Qwen2"), mixed()
    layers = len(stack_of(model).layers)
    made: Any = engine(model, fast=fast)
    loss, found = gradient(made, given)
    for budget in (1, 20, 4096):
        for policy in (None, Policy((Keep.INPUT,) * layers, 7, 8)) if fast else (None,):
            made.tokens_per_pass = budget
            if policy:
                made.policy = policy
            again, other = gradient(made, given)
            assert abs(again - loss) < 1e-12
            assert torch.allclose(other, found, rtol=0, atol=1e-11 * found.abs().max())


@pytest.mark.parametrize("fast", [False, True])
def test_nothing_is_learned_from_anchors_while_the_model_is_the_base(fast: bool) -> None:
    model = tuned("Qwen2")
    for name, parameter in trainable(model).items():
        if "lora_B" in name:
            parameter.data.zero_()
    made: Any = engine(model, fast=fast)
    made.restored()
    loss, found = gradient(made, [replace(row, soft=True) for row in rows(9, 14)])
    assert abs(loss) < 1e-12 and float(found.abs().max()) < 1e-12
    _, taught = gradient(made, rows(9, 14))
    assert float(taught.abs().max()) > 1e-3


def test_a_step_against_the_gradient_comes_nearer_to_the_base() -> None:
    made: Any = engine(tuned("Qwen2"), fast=True)
    given = [replace(row, soft=True) for row in rows(9, 14, 7)]
    before, found = gradient(made, given)
    made.adapters.values.data -= 0.05 * found / found.norm()
    made.restored()
    assert 0 < gradient(made, given)[0] < before


def weighing(row: Sample, weight: float) -> Sample:
    """Another use of the same row."""
    return replace(row, spans=tuple(replace(span, weight=weight) for span in row.spans))


def close(found: Tensor, want: Tensor, limit: float) -> bool:
    return torch.allclose(found, want, rtol=0, atol=limit * float(want.abs().max()))


@pytest.mark.parametrize(
    ("dtype", "limit"), [(torch.float64, 1e-10), (torch.float32, 2e-5)], ids=["double", "single"]
)
def test_an_update_of_both_kinds_is_the_same_by_both_engines(
    dtype: torch.dtype, limit: float
) -> None:
    """One anchor twice in it, each row with a weight of its own."""
    given = [weighing(row, 2.0 ** (i % 3 - 1)) for i, row in enumerate(mixed())]
    given.append(weighing(given[1], 0.25))
    (loss, want), (again, found) = (
        gradient(engine(tuned("Qwen2", dtype), fast=fast), given) for fast in (False, True)
    )
    assert abs(again - loss) < limit * loss and close(found, want, limit)
    lighter = [weighing(row, 0.125) if row.soft else row for row in given]
    assert not close(gradient(engine(tuned("Qwen2", dtype), fast=True), lighter)[1], want, 1e-2)


@pytest.mark.parametrize("on_host", [False, True])
def test_padding_changes_nothing_whatever_a_pass_has(on_host: bool) -> None:
    """Both kinds, either alone, and after a pass whose base was not finite."""
    made: Any = engine(tuned("Qwen2"), fast=True)
    made.states.on_host = on_host
    given = mixed()
    whole = size_of(given)
    bucket = Bucket(made, Size(whole.tokens + 40, 14, whole.learned + 9, 18, whole.soft + 7))
    parts = given, [r for r in given if not r.soft], [r for r in given if r.soft], given[:3]
    for chosen in parts:
        assert bucket.fits(size_of(chosen))
        made.adapters.zero()
        plain = made.one(make_pass(chosen, CPU, parted=True), 1 / WEIGHT, made.held(chosen))
        want = made.adapters.gradient.clone()
        made.adapters.zero()
        padded = bucket.run(chosen, 1 / WEIGHT)
        assert float(abs(padded - plain)) < 1e-6 * float(plain)
        assert close(made.adapters.gradient, want, 1e-6)
        bucket.base.fill_(float("nan"))
    assert not bucket.fits(replace(whole, soft=whole.soft + 8))


def test_buckets_have_room_for_what_is_held_to_the_base() -> None:
    sizes = [Size(600 + 9 * i, 12, 200 + i, 60, 30 * (i % 2)) for i in range(10)]
    sizes += [Size(300, 5, 100, 60)]
    weights = round(CAPTURE / 2048)
    made = choose_buckets(sizes, weights)
    for size in sizes:
        assert next(b for b in made if b.tokens >= size.tokens).soft >= size.soft
    assert not choose_buckets(sizes[-1:], weights)[
        0
    ].soft  # a run without anchors pays nothing for them


def test_the_base_is_computed_once_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    computed: list[int] = []
    real = fused.base_hidden

    def counted(stack: Any, batch: Any, policy: Policy) -> Tensor:
        computed.append(len(batch.starts) - 1)
        return real(stack, batch, policy)

    monkeypatch.setattr(fused, "base_hidden", counted)
    made, given = engine(tuned("Qwen2"), fast=True), mixed()
    uses = [*given, *(weighing(row, 0.5) for row in given), *given]
    made.prepare(uses, plan_of(uses), 0)
    assert computed == [3]  # in one pass
    for scale in (1.0, 0.5):
        made.backward([weighing(row, scale) for row in given], WEIGHT, 1.0)
    made.restored()
    assert made.shrink(given)
    made.backward(given, WEIGHT, 1.0)
    made.prepare(uses, plan_of(uses), 1)
    assert computed == [3]
    made.backward([replace(row, soft=True) for row in given], WEIGHT, 1.0)
    assert computed == [3, 3]


def plan_of(given: list[Sample]) -> Plan:
    """Updates of three rows each."""
    steps = range(len(given) // 3)
    return Plan(
        tuple(Update(i + 1, 0, (3 * i, 3 * i + 1, 3 * i + 2), 0, 0, 1.0) for i in steps),
        Schedule("constant", 1e-2, 0, len(steps)), eval_steps=(), save_steps=(), probe_steps=(),
        per_epoch=len(steps), rows=len(given), held_out=0, tokens=0, learned=0, longest=0,
        digest="one",
    )  # fmt: skip


def take_updates(made: Any, given: list[Sample], plan: Plan, start: int, end: int) -> None:
    """Those behind the first `start` of the plan, by a run that goes on there."""
    made.prepare(given, plan, start)
    for update in plan.updates[start:end]:
        made.adapters.zero()
        made.backward([given[i] for i in update.samples], WEIGHT, 1.0)
        made.adapters.set_rate(1e-2)
        made.apply()


def test_gone_on_with_it_has_the_bits_of_a_run_never_stopped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Stopped after each of the updates, by an engine that has already asked the base otherwise."""
    monkeypatch.setattr(states, "TOKENS", 20)  # of several passes
    given = [*mixed(), *mixed()]
    plan = plan_of(given)

    def updates(made: Any, start: int, end: int) -> dict[str, Tensor]:
        take_updates(made, given, plan, start, end)
        return {name: tensor.clone() for name, tensor in made.adapters.state().items()}

    def fresh() -> Any:
        return engine(tuned("Qwen2", torch.float32), fast=True)

    never = fresh()
    updates(never, 0, len(plan.updates))
    for stop in range(1, len(plan.updates)):
        before, after = fresh(), fresh()
        state = updates(before, 0, stop)
        after.backward(given[3:6], WEIGHT, 1.0)  # in other company: of no consequence
        after.adapters.values.data.copy_(before.adapters.values)
        after.adapters.load_state(state)
        after.restored()
        updates(after, stop, len(plan.updates))
        assert torch.equal(after.adapters.values, never.adapters.values)


def look(dataset: Path, **options: Any) -> Any:
    asked = Resolved.default().with_values(
        "flag", model="pocket", dataset=(str(dataset),), **options
    )
    return check(asked, Journal())


def test_anchors_are_soft_unless_their_answers_are_asked_for(identity_file: Path) -> None:
    for options, soft in (({}, True), ({"anchor_loss": "answers"}, False)):
        checked = look(identity_file, **options)
        anchors = [answered(anchor, [5, 6, 7], None) for anchor in checked.anchors[:4]]
        made = with_anchors(checked, anchors)
        assert all(sample.soft is (soft and sample.dataset == NAME) for sample in made.samples)
        assert sum(sample.dataset == NAME for sample in made.samples) > 4
        assert checked.resolved.config.schedule.anchor_ratio == ANCHORS


def test_a_run_without_anchors_names_no_loss_for_them(identity_file: Path) -> None:
    assert look(identity_file, anchor_ratio=0.0).resolved.config.schedule.anchor_loss is None
    for loss in ("kl", "answers"):
        with pytest.raises(Stopped) as stopped:
            look(identity_file, anchor_ratio=0.0, anchor_loss=loss)
        (finding,) = [f for f in stopped.value.findings if f.code == "C004"]
        assert f"--anchor_ratio {ANCHORS:g}" in finding.fix.en


def test_graphs_and_the_bases_probabilities_are_no_contradiction() -> None:
    asked = Resolved.default().with_values("flag", cuda_graphs=True, anchor_loss="kl")
    assert not list(misused_flags(asked))


def test_the_adapters_are_back_whatever_happened_while_the_base_spoke() -> None:
    stack = stack_of(tuned("Qwen2"))
    before = [group.b.clone() for group in stack.groups]
    assert any(b.count_nonzero() for b in before)
    with pytest.raises(MemoryError), stack.muted():
        assert not any(group.b.count_nonzero() for group in stack.groups)
        raise MemoryError
    assert all(torch.equal(b, group.b) for b, group in zip(before, stack.groups, strict=True))
