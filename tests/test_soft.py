"""Anchors held to the base's probabilities: the gradient is autograd's, whatever the passes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from suretune.config import Resolved
from suretune.data.anchors import NAME, answered
from suretune.model.fused import keep_all
from suretune.model.keep import Keep, Policy
from suretune.model.lora import trainable
from suretune.run.anchors import with_anchors
from suretune.run.check import check
from suretune.run.journal import Journal, Stopped
from suretune.train.adapters import Adapters
from suretune.train.engine import Engine, Fast, Plain
from suretune.types import Sample
from test_fused import exact_norms, rows, stack_of, tuned

__all__ = ["exact_norms"]  # a fixture
CPU = torch.device("cpu")
WEIGHT = 64.0  # of the update: exact in float32, as the rows' weights are


def mixed() -> list[Sample]:
    """Rows and anchors by turns."""
    return [replace(row, soft=bool(i % 2)) for i, row in enumerate(rows(9, 14, 7, 11, 16, 8))]


def engine(model: Any, *, fast: bool, policy: Policy | None = None) -> Engine:
    adapters = Adapters(trainable(model), 0.0)
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
                    nats = (p[place - 1] * (p[place - 1] / now).log()).sum()
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


def look(dataset: Path, **options: Any) -> Any:
    asked = Resolved.default().with_values(
        "flag", model="pocket", dataset=(str(dataset),), anchor_loss="kl", **options
    )
    return check(asked, Journal())


def test_anchors_are_soft_where_that_is_asked(identity_file: Path) -> None:
    checked = look(identity_file)
    anchors = [answered(anchor, [5, 6, 7], None) for anchor in checked.anchors[:4]]
    made = with_anchors(checked, anchors)
    assert all(sample.soft is (sample.dataset == NAME) for sample in made.samples)
    assert sum(sample.soft for sample in made.samples) > 4


def test_what_cannot_be_had_is_said(identity_file: Path) -> None:
    for options, code in (({"anchor_ratio": 0.0}, "C004"), ({"cuda_graphs": True}, "C006")):
        with pytest.raises(Stopped) as stopped:
            look(identity_file, **options)
        assert code in {finding.code for finding in stopped.value.findings}
