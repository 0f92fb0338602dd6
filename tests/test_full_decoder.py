"""A model whose own weights learn is asked by a decoder: it says what transformers' layers say of
the weights as they are, and nothing is learned otherwise for it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from suretune.model.decode import Decoder
from suretune.model.full import Whole
from suretune.model.generate import answers, last_logits
from suretune.model.stack import Stack, make_stack
from suretune.options_full import FullOptions
from suretune.train.plain_engine import Plain
from suretune.train.run_decoder import SILENCED
from test_decode import LENGTHS, NOBODY, asked, told
from test_full import POCKET, TOP, checked, learn, samples, whole_learner
from test_fused import FAMILIES, exact_norms, tuned

__all__ = ["checked", "exact_norms", "samples"]  # fixtures
PROMPTS = asked(*LENGTHS)


def laid_out(model: Any) -> Stack:
    stack = make_stack(model, learning=False)
    assert isinstance(stack, Stack), stack
    return stack


def move(model: Whole, seed: int) -> None:
    """New weights in place, as an optimizer shows them: norms, biases and the embedding, too."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.learned().values():
        noise = torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype)
        parameter.data.add_((noise * 0.1).to(parameter.device))


@pytest.mark.parametrize(
    ("family", "tied"), [("Qwen2", True), *((family, False) for family in FAMILIES)]
)
def test_a_decoder_hears_weights_that_change_in_place(family: str, tied: bool) -> None:
    model = tuned(family, tie_word_embeddings=tied).unload()
    base = {name: p.detach().clone() for name, p in model.named_parameters()}
    whole = Whole(model, base, Path())
    decoder = Decoder(laid_out(model))
    first, began = told(whole, PROMPTS, NOBODY, 12), last_logits(whole, PROMPTS)
    for seed in range(2):
        move(whole, seed)
        now = told(whole, PROMPTS, NOBODY, 12)
        assert decoder.generate(PROMPTS, NOBODY, 12) == now == told(decoder, PROMPTS, NOBODY, 12)
        here = last_logits(whole, PROMPTS)
        assert float((last_logits(decoder, PROMPTS) - here).abs().max()) < 1e-5
        assert float((here - began).abs().max()) > 1e-2
        with whole.without():
            assert decoder.generate(PROMPTS, NOBODY, 12) == first
            assert float((last_logits(decoder, PROMPTS) - began).abs().max()) < 1e-5
        assert decoder.generate(PROMPTS, NOBODY, 12) == now


def weights(learner: Any) -> dict[str, Tensor]:
    return {name: p.detach().clone() for name, p in learner.model.model.named_parameters()}


@pytest.mark.parametrize("asked_for", [FullOptions(), TOP])
def test_who_is_asked_by_a_decoder_learns_the_same_bits(
    asked_for: FullOptions, checked: Any, samples: Any
) -> None:
    """Weights that lie side by side for it are the optimizer's own, and asked in between."""
    plain, spoken = (whole_learner(asked_for, "bfloat16") for _ in range(2))
    engine = Plain(
        spoken.model,
        spoken.adapters,
        spoken.device,
        4096,
        speaking=laid_out(spoken.model.model),
    )
    spoken = replace(spoken, engine=engine)
    assert engine.decoder is not None
    engine.decoder.spare = lambda: 1e12
    said = []
    for _ in range(2):
        for name in ("base", "tuned"):
            with getattr(engine, name)() as speaker:
                assert isinstance(speaker, Decoder)
                said.append(last_logits(speaker, PROMPTS))
                speaker.generate(PROMPTS, NOBODY, 4)
            fresh = whole_learner(asked_for, "bfloat16").model
            if name == "tuned":
                fresh.model.load_state_dict(spoken.model.model.state_dict())
            assert torch.equal(said[-1], last_logits(Decoder(laid_out(fresh.model)), PROMPTS)), name
        for learner in (plain, spoken):
            learn(learner, samples, checked)
    assert torch.equal(said[0], said[1]) and torch.equal(said[0], said[2])
    assert not torch.equal(said[2], said[3])
    before, after = weights(plain), weights(spoken)
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert torch.equal(plain.adapters.values, spoken.adapters.values)
    assert engine.shrink(samples) == SILENCED != engine.shrink(samples)


def test_what_a_chat_model_says(checked: Any, samples: Any) -> None:
    """The pocket model's own answers, before and after it has learned, by either."""
    learner = whole_learner(None, "bfloat16", POCKET)
    tokenizer = checked.tokenizer
    prompts = [list(sample.ids[: sample.spans[0].start]) for sample in samples[:6]]
    stack = laid_out(learner.model.model)
    for _ in range(2):
        by_decoder = answers(Decoder(stack), tokenizer, prompts, 24)
        by_layers = answers(learner.model, tokenizer, prompts, 24)
        same = sum(a == b for a, b in zip(by_decoder, by_layers, strict=True))
        assert same >= 5 and all(by_decoder), (by_decoder, by_layers)
        learn(learner, samples, checked)
