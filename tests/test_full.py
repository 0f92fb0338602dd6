"""`--train_type full` on the pocket model: the laws of the adapters, on the base's own weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

from shallow import shallow_pocket
from suretune.config import Resolved
from suretune.data.base import Base, find_base
from suretune.data.learning import Learning, is_tied, learning_of
from suretune.facts import SetupFacts
from suretune.model.attention import PACKED
from suretune.model.full import Whole, begin_whole, open_whole, save_whole
from suretune.model.generate import last_logits
from suretune.model.load import load_base
from suretune.model.memory import GIB, shape_of
from suretune.model.packed_batch import make_pass, passes, token_losses
from suretune.options_full import FullOptions
from suretune.preflight.check import Checked, check
from suretune.preflight.forecast import least_bytes, too_small
from suretune.record.journal import Journal
from suretune.run.folder import dresser
from suretune.train import checkpoint
from suretune.train.loop import Applied, Learner, gradient, make_scale, train, wearing
from suretune.train.plain_engine import Plain
from suretune.train.whole_adamw import WholeAdamW
from suretune.tuning.full import ADAMW, has_8bit_moments
from suretune.types import Sample
from test_laws import CPU, checked_run, grads, relative

POCKET = find_base("pocket", weights=True)
LOWER = shallow_pocket(3)  # what learns here: its lower half
PROMPTS = [[5, 6, 7, 8], [9, 10, 11], list(range(20, 60))]
TOP = FullOptions(freeze_parameters_ratio=0.8)  # of its layers the upper one learns, and the norm


def learning(asked: FullOptions, base: Base = POCKET) -> Learning:
    found = learning_of(base, asked)
    assert isinstance(found, Learning), found
    return found


def whole_learner(
    asked: FullOptions | None = None,
    dtype: str = "float32",
    base: Base = LOWER,
    *,
    double: bool = False,
) -> Learner:
    model = load_base(base, CPU, dtype, PACKED)
    if double:
        model = model.to(torch.float64)  # type: ignore[arg-type]
    tuned = begin_whole(model, learning(asked or FullOptions(), base).learned, base)
    masters = WholeAdamW(tuned, 0.0)
    engine = Plain(tuned, masters, CPU, 4096)
    return Learner(tuned, masters, engine, make_scale("float32"), CPU, 0.0)


@pytest.fixture(scope="module")
def checked(identity_file: Path) -> Checked:
    """Of few rows an update: a CPU that multiplies no bfloat16 takes ten times as long for them."""
    return checked_run(
        identity_file,
        max_steps=3,
        learning_rate=1e-4,
        gradient_accumulation_steps=2,
    )


@pytest.fixture(scope="module")
def samples(checked: Checked) -> list[Sample]:
    return [sample for row in checked.train for sample in row.samples]


def learn(learner: Learner, samples: Sequence[Sample], checked: Checked) -> None:
    for event in train(learner, samples, checked.plan, 0):
        assert not isinstance(event, Applied) or event.record.grad_norm > 0


def bits(model: Any) -> dict[str, Tensor]:
    return {name: p.detach().clone() for name, p in model.named_parameters()}


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[n], b[n]) for n in a)


@pytest.mark.parametrize(("double", "bound"), [(True, 1e-10), (False, 1e-5)])
def test_passes_do_not_change_the_gradient(
    samples: list[Sample], double: bool, bound: float
) -> None:
    """Packed or row by row, sixteen passes of one or one of sixteen: one gradient."""
    learner, rows = whole_learner(double=double), samples[:16]
    weight, found = sum(s.loss_weight for s in rows), []
    for budget in (1, 500, 4096):
        learner.engine.tokens_per_pass = budget
        loss, _ = gradient(learner, rows, weight)
        found.append((loss, grads(learner), len(passes(rows, budget, CPU))))
    assert [count for *_, count in found] == [16, found[1][2], 1] and 1 < found[1][2] < 16
    for loss, slopes, _ in found[:2]:
        assert abs(loss - found[2][0]) <= bound * abs(found[2][0])
        assert relative(slopes, found[2][1]) <= bound


def test_the_gradient_is_that_of_transformers_own_loss(samples: list[Sample]) -> None:
    learner, rows = whole_learner(double=True), samples[:4]
    loss, _ = gradient(learner, rows, sum(s.loss_weight for s in rows))
    ours = grads(learner)
    model = load_base(LOWER, CPU, "float32", "sdpa").to(torch.float64)  # type: ignore[arg-type]
    model.requires_grad_(True)
    total, count = torch.zeros((), dtype=torch.float64), 0
    for row in rows:
        ids = torch.tensor([row.ids.tolist()])
        labels = torch.full_like(ids, -100)
        for span in row.spans:
            labels[0, span.start : span.end] = ids[0, span.start : span.end]
            count += span.end - span.start
        logits = model(input_ids=ids).logits[0, :-1]
        total = total + torch.nn.functional.cross_entropy(
            logits, labels[0, 1:], ignore_index=-100, reduction="sum"
        )
    (total / count).backward()  # type: ignore[no-untyped-call]
    theirs = {n: p.grad for n, p in model.named_parameters() if p.grad is not None}
    assert abs(float(total.detach() / count) - loss) < 1e-9
    assert relative(ours, theirs) < 1e-8


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("asked", [FullOptions(), TOP])
def test_without_is_the_base_bit_for_bit_and_gives_back_what_was_learned(
    checked: Checked, samples: list[Sample], dtype: str, asked: FullOptions
) -> None:
    learner = whole_learner(asked, dtype)
    base = load_base(LOWER, CPU, dtype, PACKED)
    model = learner.model
    assert isinstance(model, Whole)
    learn(learner, samples, checked)
    after, memory, masters = (
        bits(model.model),
        last_logits(model, PROMPTS),
        learner.adapters.aside(),
    )
    with model.without():
        assert same(bits(model.model), bits(base))
        assert torch.equal(last_logits(model, PROMPTS), last_logits(base, PROMPTS))
        with model.without():  # whoever asks the base while it is asked
            assert same(bits(model.model), bits(base))
        assert same(bits(model.model), bits(base))
    assert same(bits(model.model), after) and not same(after, bits(base))
    assert torch.equal(last_logits(model, PROMPTS), memory)
    assert torch.equal(learner.adapters.aside(), masters)
    with pytest.raises(RuntimeError), model.without():
        raise RuntimeError
    assert same(bits(model.model), after)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_frozen_weights_are_the_bases_bits(
    checked: Checked, samples: list[Sample], dtype: str, tmp_path: Path
) -> None:
    learner, found = whole_learner(TOP, dtype), learning(TOP, LOWER)
    base = bits(load_base(LOWER, CPU, dtype, PACKED))
    learn(learner, samples, checked)
    model = learner.model
    assert isinstance(model, Whole)
    after = bits(model.model)
    assert found.frozen and set(found.frozen) | set(found.learned) == set(base)
    assert all(torch.equal(after[name], base[name]) for name in found.frozen)
    masters = learner.adapters.parameters
    assert masters.keys() == set(found.learned)
    assert all(not torch.equal(masters[name].data, base[name].float()) for name in masters)
    save_whole(model, tmp_path)
    was, now = (
        load_file(LOWER.folder / "model.safetensors"),
        load_file(tmp_path / "model.safetensors"),
    )
    assert all(now[n].dtype == was[n].dtype and torch.equal(now[n], was[n]) for n in found.frozen)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("asked", [FullOptions(), TOP])
def test_reloaded_is_what_was_in_memory(
    checked: Checked, samples: list[Sample], dtype: str, asked: FullOptions, tmp_path: Path
) -> None:
    learner = whole_learner(asked, dtype, POCKET)
    learn(learner, samples, checked)
    model = learner.model
    assert isinstance(model, Whole)
    save_whole(model, tmp_path)
    again, match = open_whole(load_base(POCKET, CPU, dtype, PACKED), tmp_path, POCKET, dtype)
    assert match.odd == match.non_finite == () and match.saved == match.matched > 70
    assert same(bits(again.model), bits(model.model))
    assert set(again.base) <= set(model.base)  # rounding leaves norms near one as they were
    assert torch.equal(last_logits(again, PROMPTS), last_logits(model, PROMPTS))
    with again.without(), model.without():
        assert same(bits(again.model), bits(model.model))


def test_memory_that_runs_out_amid_an_exchange_mixes_nothing(
    checked: Checked, samples: list[Sample], monkeypatch: pytest.MonkeyPatch
) -> None:
    learner = whole_learner(TOP)
    learn(learner, samples, checked)
    tuned = learner.model
    assert isinstance(tuned, Whole)
    before, real = bits(tuned), torch.empty

    def full(*size: Any, **how: Any) -> Tensor:
        if how.get("dtype") == torch.uint8:
            raise RuntimeError("not enough memory")
        return real(*size, **how)

    with monkeypatch.context() as patched:
        patched.setattr(torch, "empty", full)
        with pytest.raises(RuntimeError, match="not enough memory"), tuned.without():
            pass
    tuned._without = 0
    assert same(before, bits(tuned))


def test_silent_it_is_the_base_also_where_what_was_learned_is_no_number() -> None:
    learner = whole_learner(TOP)
    base = learner.adapters.values.detach().clone()
    learner.adapters.values.data.fill_(torch.nan)
    assert torch.equal(learner.adapters.silent(), base)


def test_its_card_speaks_of_no_adapter(checked: Checked, tmp_path: Path) -> None:
    given = {"tuner": "full", "use_dora": True, "init_weights": "pissa"}
    whole = replace(checked, resolved=checked.resolved.with_values("flag", **given))
    dresser(whole, "")(tmp_path, 1)
    card = (tmp_path / "README.md").read_text("utf-8")
    assert "full fine-tuning" in card and "DoRA" not in card and "PiSSA" not in card


def test_a_tied_head_learns_once_and_is_called_by_either_name() -> None:
    assert is_tied(POCKET)
    found = learning(FullOptions(freeze_parameters_ratio=1.0, trainable_parameters=("lm_head",)))
    assert list(found.learned) == ["model.embed_tokens.weight"]
    assert learning(FullOptions(freeze_parameters=("lm_head",))).frozen.keys() == {
        "model.embed_tokens.weight"
    }


def test_in_half_precision_the_masters_keep_what_rounding_would_lose(
    checked: Checked, samples: list[Sample]
) -> None:
    """At a rate at which no single update moves a weight of bfloat16, many do."""
    learner = whole_learner(dtype="bfloat16")
    for event in train(learner, samples, checked.plan, 0):
        assert event
    masters = learner.adapters
    assert isinstance(masters, WholeAdamW)
    for name, parameter in masters.rounded.items():
        assert torch.equal(parameter.data, masters.parameters[name].data.to(torch.bfloat16))
        assert parameter.grad is None
    moved = sum(
        int((masters.base[n].float() != p.data).sum()) for n, p in masters.parameters.items()
    )
    rounded = sum(int((masters.base[n] != p.data).sum()) for n, p in masters.rounded.items())
    assert moved > 0.99 * sum(p.numel() for p in masters.parameters.values()) > rounded > 0


def test_a_dose_is_a_share_of_what_was_learned(checked: Checked, samples: list[Sample]) -> None:
    learner = whole_learner(TOP)
    base, masters = learner.adapters.aside(), learner.adapters
    learn(learner, samples, checked)
    learned = masters.aside()
    assert torch.equal(masters.dosed(1.0), learned) and torch.equal(masters.dosed(0.0), base)
    half = masters.dosed(0.5)
    assert torch.allclose(half, (base + learned) / 2, atol=1e-7)
    model = learner.model
    before = last_logits(model, PROMPTS)
    with wearing(learner, masters.silent()):
        plain = load_base(LOWER, CPU, "float32", PACKED)
        assert torch.equal(last_logits(model, PROMPTS), last_logits(plain, PROMPTS))
    assert torch.equal(last_logits(model, PROMPTS), before)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_checkpoint_put_back_goes_on_to_the_same_bits(
    checked: Checked, samples: list[Sample], dtype: str, tmp_path: Path
) -> None:
    straight = whole_learner(dtype=dtype)
    learn(straight, samples, checked)
    first, saved = whole_learner(dtype=dtype), None
    for event in train(first, samples, checked.plan, 0):
        if isinstance(event, Applied) and event.record.step == 1:
            saved = checkpoint.save(tmp_path, 1, first, lambda folder, step: None, {})
            break
    assert saved is not None
    again = whole_learner(dtype=dtype)
    assert checkpoint.restore(saved, again) == 1
    checkpoint.restore_recovery(saved, again)
    for event in train(again, samples, checked.plan, 1):
        assert event
    assert torch.equal(again.adapters.values, straight.adapters.values)
    assert same(bits(again.model), bits(straight.model))
    with safe_open(saved / "model.safetensors", "pt") as file:
        assert file.get_tensor("model.norm.weight").dtype == getattr(torch, dtype)


def test_anchors_are_held_to_the_base(checked: Checked, samples: list[Sample]) -> None:
    """At the base the divergence and its gradient are nothing; one update on, they are not."""
    learner, soft = whole_learner(), [replace(s, soft=True) for s in samples[:4]]
    weight = sum(s.loss_weight for s in soft)
    loss, norm = gradient(learner, soft, weight)
    assert loss == 0 and norm < 1e-6
    learn(learner, samples, checked)
    together, _ = gradient(learner, soft, weight)
    learner.engine.tokens_per_pass = 1
    alone, norm = gradient(learner, soft, weight)
    assert together > 0 and norm > 0 and abs(together - alone) <= 1e-5 * alone
    assert learner.engine.drift(samples[:4]) > 0


WORDS = [
    (FullOptions(freeze_parameters_ratio=1.0), "trains-nothing"),
    (FullOptions(freeze_parameters=("model",)), "trains-nothing"),
    (FullOptions(freeze_parameters=("model.layer.0",)), "weights-match-nothing"),
    (FullOptions(trainable_parameters=("q_proj",)), "weights-match-nothing"),
]


@pytest.mark.parametrize(("asked", "problem"), WORDS)
def test_what_trains_nothing_or_names_nothing_is_refused(asked: FullOptions, problem: str) -> None:
    found = learning_of(POCKET, asked)
    assert isinstance(found, SetupFacts) and found.problem == problem
    if problem == "weights-match-nothing":
        assert "model.layers.0" in str(found.found)


def test_a_share_is_frozen_from_the_embedding_upwards() -> None:
    """And a name means itself: the first layer is not the tenth to nineteenth as well."""
    every = learning(FullOptions())
    assert not every.frozen and every.share == 1.0
    for ratio in (0.2, 0.5, 0.8):
        found = learning(FullOptions(freeze_parameters_ratio=ratio))
        assert 1 - ratio <= found.share < 1 - ratio + 0.21
        assert ("model.embed_tokens.weight" in found.frozen) is (ratio > 0.2)  # it has 0.202
        assert "model.norm.weight" in found.learned
    some = learning(FullOptions(freeze_parameters_ratio=0.8, freeze_parameters=("model.norm",),
                                trainable_parameters=("model.layers.0.mlp",)))  # fmt: skip
    assert "model.norm.weight" in some.frozen
    assert "model.layers.0.mlp.up_proj.weight" in some.learned


def test_a_pass_costs_what_it_did(samples: list[Sample]) -> None:
    """Losses of the whole model in memory are those of the base before anything is learned."""
    learner = whole_learner()
    base = load_base(LOWER, CPU, "float32", PACKED)
    with torch.no_grad():
        ours, theirs = (token_losses(m, make_pass(samples[:4], CPU)) for m in (learner.model, base))
    assert torch.equal(ours, theirs)


def test_its_rate_is_its_own(checked: Checked, identity_file: Path) -> None:
    """A quarter of the adapters': they begin at nothing, weights do not."""
    full = checked_run(identity_file, tuner="full", max_steps=40).resolved.config.schedule
    beside = checked_run(identity_file, max_steps=40).resolved.config.schedule
    assert full.learning_rate == pytest.approx((beside.learning_rate or 0) / 4, rel=0.05)
    journal = Journal()
    asked = {"model": "pocket", "dataset": (str(identity_file),), "tuner": "full"}
    check(Resolved.default().with_values("flag", learning_rate=8e-3, **asked), journal)
    assert "S024" in {finding.code for finding in journal.findings}


def test_a_base_that_does_not_fit_is_refused_with_the_number(identity_file: Path) -> None:
    """With the least that it needs, by the arithmetic of `plan`; and with what would fit."""
    checked = checked_run(identity_file, tuner="full")
    wide, least = least_bytes(checked, 2, ADAMW), least_bytes(checked, 2)
    assert wide is not None and least is not None
    beside = least_bytes(checked_run(identity_file), 2)
    assert beside is not None and beside[0] < least[0]
    shape = replace(shape_of(POCKET.text, 2), learned=1.0)
    assert wide[0] > shape.values * 18  # bfloat16, and four numbers of float32
    packed = sum(n for name, n in learning(FullOptions()).learned.items()
                 if has_8bit_moments(name, n))  # fmt: skip
    assert wide[0] - least[0] == pytest.approx(
        packed / learning(FullOptions()).count * shape.values * 5.96875
    )
    facts = too_small(checked, 2, beside[0])
    assert facts is not None and facts.problem == "out-of-memory"
    assert f"{least[0] / GIB:.1f} GiB needed" in facts.found.en
    assert facts.nearest == "--train_type lora"
    assert too_small(checked, 2, least[0]) is None
    facts = too_small(checked, 2, least[0], ADAMW)
    assert facts is not None and facts.nearest == "--optim adamw_8bit"
    assert f"{wide[0] / GIB:.1f} GiB needed" in facts.found.en
    half = checked_run(identity_file, tuner="full", freeze_parameters_ratio=0.5)
    less = least_bytes(half, 2)
    assert less is not None and beside[0] < less[0] < least[0]
