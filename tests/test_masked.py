"""A model that masks tokens of its vocabulary has logits of -inf: what both sides mask adds
nothing to a divergence or to a gradient, what one masks is bounded, and nothing is NaN.
"""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from suretune.model import ops
from suretune.model.packed_batch import divergence, jeffreys

INF = math.inf
MASKS = {
    "one token": [3],
    "the first half": list(range(8)),
    "all but two": list(range(2, 16)),
}


def sides(dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(0)
    tuned, base = (torch.randn(5, 16, dtype=torch.float64).mul(3).to(dtype) for _ in range(2))
    return tuned, base, torch.rand(5)


def by_autograd(tuned: Tensor, base: Tensor, factors: Tensor) -> tuple[Tensor, Tensor]:
    wide = tuned.double().requires_grad_()
    nats = jeffreys(base.double(), wide)
    (nats * factors.double()).sum().backward()
    assert wide.grad is not None
    return nats.detach(), wide.grad


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("mask", MASKS)
def test_what_both_mask_adds_nothing(mask: str, dtype: torch.dtype) -> None:
    """As if the vocabulary did not have these tokens."""
    tuned, base, factors = sides(dtype)
    out = [i for i in range(16) if i not in MASKS[mask]]
    short, short_base = tuned[:, out].clone(), base[:, out].clone()
    nats_short = ops.jeffreys(short, short_base, factors)
    tuned[:, MASKS[mask]] = base[:, MASKS[mask]] = -INF
    kl, both = divergence(base, tuned), jeffreys(base, tuned)
    expected_kl = divergence(short_base, sides(dtype)[0][:, out])
    wanted_nats, wanted = by_autograd(tuned, base, factors)
    nats = ops.jeffreys(tuned, base, factors)
    assert torch.equal(nats, both) and torch.allclose(nats, nats_short, rtol=1e-5)
    assert torch.allclose(kl, expected_kl, rtol=1e-5) and bool((kl >= 0).all())
    assert torch.allclose(tuned[:, out].float(), short.float(), atol=1e-6)
    assert not tuned[:, MASKS[mask]].any()
    assert torch.allclose(nats.double(), wanted_nats, rtol=1e-4)
    tolerance = 1e-5 if dtype == torch.float32 else 1e-2
    assert torch.allclose(tuned.double(), wanted, atol=tolerance)


def test_what_one_masks_is_far_but_finite() -> None:
    for which in ("tuned", "base"):
        tuned, base, factors = sides()
        (tuned if which == "tuned" else base)[:, 3] = -INF
        likely = (base if which == "tuned" else tuned).softmax(-1)[:, 3]
        before = jeffreys(*sides()[:2])
        nats = jeffreys(base, tuned)
        assert bool(nats.isfinite().all()) and bool((nats <= -ops.LEAST).all())
        assert bool((nats >= likely * -ops.LEAST / 4).all()) and bool((nats > before / 2).all())
        assert bool(divergence(base, tuned).isfinite().all())
        assert torch.equal(ops.jeffreys(tuned, base, factors), nats)
        assert bool(tuned.isfinite().all())  # the gradient


def test_logits_without_a_mask_keep_every_bit() -> None:
    tuned, base, factors = sides()
    log, held = tuned.log_softmax(-1), base.log_softmax(-1)
    expected = ((log.exp() - held.exp()) * (log - held)).sum(-1) / 2
    assert torch.equal(jeffreys(base, tuned), expected)
    assert torch.equal(ops.jeffreys(tuned, base, factors), expected)
