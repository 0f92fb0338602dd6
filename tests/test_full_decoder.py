"""A model whose own weights learn is asked by a decoder: it says what transformers' layers say of
the weights as they are, and nothing is learned otherwise for it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from suretune import rundir
from suretune.model.decode import Decoder
from suretune.model.full import Whole
from suretune.model.generate import answers, last_logits
from suretune.model.stack import Stack, make_stack
from suretune.options_full import FullOptions
from suretune.train import plain_engine
from suretune.train.engine_plan import _speaking
from suretune.train.loop import Learner
from suretune.train.plain_engine import Plain
from suretune.train.run_decoder import SILENCED, RunDecoder
from suretune.verify import reload
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
        now, here = told(whole, PROMPTS, NOBODY, 12), last_logits(whole, PROMPTS)
        # Each is the first to ask after a change: none may hear what another has read anew.
        assert float((last_logits(decoder, PROMPTS) - here).abs().max()) < 1e-5
        with whole.without():
            assert told(decoder, PROMPTS, NOBODY, 12) == first
        assert told(decoder, PROMPTS, NOBODY, 12) == now
        with whole.without():
            assert float((last_logits(decoder, PROMPTS) - began).abs().max()) < 1e-5
        assert decoder.generate(PROMPTS, NOBODY, 12) == now
        assert float((here - began).abs().max()) > 1e-2
        with whole.without():
            assert decoder.generate(PROMPTS, NOBODY, 12) == first
        assert decoder.generate(PROMPTS, NOBODY, 12) == now


def with_decoder(asked_for: FullOptions) -> tuple[Learner, Plain, RunDecoder]:
    """A learner that is asked by a decoder, its engine, and the decoder, which holds all it may."""
    learner = whole_learner(asked_for, "bfloat16")
    engine = Plain(
        learner.model,
        learner.adapters,
        learner.device,
        4096,
        speaking=laid_out(learner.model.model),
    )
    assert engine.decoder is not None
    engine.decoder.spare = lambda: 1e12
    return replace(learner, engine=engine), engine, engine.decoder


def weights(learner: Any) -> dict[str, Tensor]:
    return {name: p.detach().clone() for name, p in learner.model.model.named_parameters()}


@pytest.mark.parametrize("asked_for", [FullOptions(), TOP])
def test_who_is_asked_by_a_decoder_learns_the_same_bits(
    asked_for: FullOptions, checked: Any, samples: Any
) -> None:
    """Weights that lie side by side for it are the optimizer's own, and asked in between."""
    plain, (spoken, engine, _) = whole_learner(asked_for, "bfloat16"), with_decoder(asked_for)
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


@pytest.mark.parametrize(("dtype", "answers"), [("float32", False), ("bfloat16", True)])
def test_weights_that_are_their_own_masters_stay_where_they_are(dtype: str, answers: bool) -> None:
    """The optimizer lays float32 weights behind each other: laid out otherwise, they would not
    hear it."""
    model = whole_learner(TOP, dtype).model
    before = {name: p.data_ptr() for name, p in model.model.named_parameters()}
    stack, _ = _speaking(model, torch.device("cuda"))
    moved = [n for n, p in model.model.named_parameters() if p.data_ptr() != before[n]]
    assert (stack is not None, bool(moved)) == (answers, answers)
    assert _speaking(model, torch.device("cpu"))[0] is None


def test_memory_that_runs_out_while_it_is_measured_is_taken_back_from_the_decoder(
    samples: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, engine, held = with_decoder(TOP)
    rows = samples[:4]

    def short(measure: Any) -> Any:
        def tried(*given: Any) -> Any:
            if held.decoder is not None and held.decoder.held_bytes():
                raise torch.OutOfMemoryError("CUDA out of memory")
            return measure(*given)

        return tried

    want = engine.mean_loss(rows), engine.drift(rows)
    for name in ("mean_loss", "token_logits"):
        monkeypatch.setattr(plain_engine, name, short(getattr(plain_engine, name)))
    for value, measure in zip(want, (engine.mean_loss, engine.drift), strict=True):
        with engine.tuned() as speaker:
            speaker.generate(PROMPTS, NOBODY, 4)
        assert held.decoder is not None and held.decoder.held_bytes()
        assert measure(rows) == value and not held.decoder.held_bytes()


def test_what_a_chat_model_says(checked: Any, samples: Any) -> None:
    """The pocket model's own answers, before and after it has learned, by either."""
    learner = whole_learner(None, "bfloat16", POCKET)
    tokenizer = checked.tokenizer
    prompts = [list(sample.ids[: sample.spans[0].start]) for sample in samples[:6]]
    stack = laid_out(learner.model.model)
    for learned in (False, True):
        if learned:
            learn(learner, samples, checked)
        by_decoder = answers(Decoder(stack), tokenizer, prompts, 24)
        by_layers = answers(learner.model, tokenizer, prompts, 24)
        same = sum(a == b for a, b in zip(by_decoder, by_layers, strict=True))
        assert same >= 5 and all(by_decoder), (by_decoder, by_layers)


def test_an_older_proof_is_repeated_by_who_answered_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not say who: then a whole model was answered for by its own layers."""
    tuned, decoder = whole_learner(TOP, "bfloat16").model, object()
    monkeypatch.setattr(reload, "talker", lambda model: decoder)
    request = reload.Request("pocket", "", "model", "cpu", "bfloat16", None, 2048)
    assert reload._speaker(tuned, request, tmp_path) is decoder
    rundir.write_json(tmp_path / reload.RESULT, {"answers": {}})
    assert reload._speaker(tuned, request, tmp_path) is tuned
    assert reload._speaker(tuned.model, request, tmp_path) is decoder  # as ever: an adapter was
    rundir.write_json(tmp_path / reload.RESULT, {reload.SPEAKER: "Decoder"})
    assert reload._speaker(tuned, request, tmp_path) is decoder


def test_an_older_proof_is_repeated_by_steps_of_as_many_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Steps of more rows round otherwise, and `verify` asks for the same words."""
    tuned = whole_learner(TOP, "bfloat16").model
    monkeypatch.setattr(reload, "talker", lambda model: Decoder(laid_out(tuned.model)))
    older = reload.Request("pocket", "", "model", "cpu", "bfloat16", None, 2048)
    for request, rows in ((older, 128), (replace(older, rows=256), 256)):
        speaker = reload._speaker(tuned, request, tmp_path)
        assert isinstance(speaker, Decoder) and speaker.most == rows
