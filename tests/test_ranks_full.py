"""A base whose own weights learn, in shards of two processes: the laws that one process keeps.

Two processes of this machine, over gloo.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.distributed.tensor import DTensor
from transformers import AutoModelForCausalLM

from conftest import suretune
from shallow import shallow_pocket
from suretune import rundir
from suretune.data.learning import Learning, learning_of
from suretune.model.attention import PACKED
from suretune.model.full import Whole, begin_whole
from suretune.model.generate import last_logits
from suretune.model.load import load_base
from suretune.model.memory import (
    CONTEXT,
    HOST,
    SLACK,
    fixed,
    gathered,
    host_needed,
    least_needed,
    plain_needed,
    shape_of,
)
from suretune.model.packed_batch import token_logits
from suretune.model.recompute import Policy
from suretune.model.tuned import inner
from suretune.options import EngineOptions
from suretune.options_full import FullOptions
from suretune.options_lora import LoraOptions
from suretune.record.journal import Journal
from suretune.run.crew import ENGINE, pass_plan_before
from suretune.train import checkpoint
from suretune.train.dealt import answers_of
from suretune.train.engine_plan import PassPlan, make_engine
from suretune.train.errands import Done, Hold, Ready, Together
from suretune.train.loop import (
    Applied,
    Learner,
    before_it,
    go_back,
    gradient,
    keep_state,
    make_scale,
    train,
    wearing,
)
from suretune.train.pass_lengths import BUDGETS, SOFT, dearest_pass, roomiest
from suretune.train.plain_engine import PLAIN_TOKENS
from suretune.train.sharded import Led, Sharded, _is_within, _largest
from suretune.train.shards import PlainShard, ShardAdamW, ShardedWhole
from suretune.train.whole_adamw import WholeAdamW
from suretune.types import Sample, Span
from test_full import POCKET, TOP, same
from test_laws import CPU, checked_run, relative
from test_ranks import started

PLACES = {"packed_batch": "model.packed_batch", "plain_engine": "train.plain_engine"}
PROMPTS = [[5, 6, 7, 8], [9, 10, 11], list(range(20, 60))]


@pytest.fixture(scope="module")
def checked(identity_file: Path) -> Any:
    told = checked_run(identity_file, max_steps=2, learning_rate=1e-4)
    return replace(told, base=shallow_pocket(3))


@pytest.fixture(scope="module")
def samples(checked: Any) -> list[Sample]:
    """The rows, some of them held to the base as anchors are."""
    rows = [sample for row in checked.train for sample in row.samples]
    return [replace(row, soft=i % 5 == 0) for i, row in enumerate(rows)]


def names(checked: Any, asked: FullOptions) -> frozenset[str]:
    found = learning_of(checked.base, asked)
    assert isinstance(found, Learning)
    return frozenset(found.learned)


def alone(
    checked: Any,
    samples: Sequence[Sample],
    dtype: str,
    asked: FullOptions,
    engine: EngineOptions,
) -> Learner:
    model = load_base(checked.base, CPU, dtype, PACKED)
    tuned = begin_whole(model, names(checked, asked), checked.base)
    masters = WholeAdamW(tuned, 0.01)
    made = make_engine(tuned, masters, engine, CPU, samples, checked.plan).engine
    return Learner(tuned, masters, made, make_scale("float32"), CPU, 1.0)


@contextmanager
def together(
    checked: Any,
    samples: Sequence[Sample],
    dtype: str,
    asked: FullOptions,
    engine: EngineOptions,
    size: int = 2,
) -> Iterator[Learner]:
    """The same of so many processes, this one leading."""
    learned = names(checked, asked)
    with started(size) as world:
        hold = Hold(
            base=checked.base, fingerprint=checked.base.fingerprint(), device="cpu", dtype=dtype,
            lora=LoraOptions(), seed=42, commit=None, engine=engine, samples=samples,
            plan=checked.plan, before=None, learned=learned, weight_decay=0.01,
        )  # fmt: skip
        world.tell([hold] * (size - 1))
        model = load_base(checked.base, CPU, dtype, PACKED)
        whole = begin_whole(model, learned, checked.base)
        answers_of(world, Ready)
        world.open(CPU)
        tuned = ShardedWhole(whole, world)
        own = ShardAdamW(tuned, 0.01, world)
        made = make_engine(tuned, own, engine, CPU, samples, checked.plan).engine
        assert isinstance(made, PlainShard)
        answers_of(world, Ready)
        led = Led(own, world)
        sharded = Sharded(made, led, world)
        sharded.prepare(samples, checked.plan, 0)
        yield Learner(tuned, led, sharded, make_scale("float32"), CPU, 1.0)


def test_any_number_of_processes_goes_on_with_a_checkpoint(
    checked: Any, samples: list[Sample], tmp_path: Path
) -> None:
    """From two to one, from one to two, and to two again: the same bits, recovery's copy too."""
    kind = "bfloat16", TOP, EngineOptions()
    one, two = alone(checked, samples, *kind), tmp_path / "two"
    with together(checked, samples, *kind) as led:
        assert isinstance(led.adapters, Led) and not led.adapters.has_moments
        for event in train(led, samples, checked.plan, 0):
            if is_applied(event) and event.record.step == 1:  # type: ignore[union-attr]
                keep_state(led, 1)
        assert led.adapters.has_moments
        done = checkpoint.save(two, 2, led, nothing, {})
        ends, kept = values(led), flat(led, "kept/values")
        resumed(done, one)
        assert same(values(one), ends)
        assert same(dict(zip(ends, parts(one), strict=True)), kept)
        back = checkpoint.save(tmp_path / "one", 2, one, nothing, {})
        for name in ("model.safetensors", "optimizer.safetensors", "generators.safetensors"):
            assert (done / name).read_bytes() == (back / name).read_bytes(), name
        for folder in (back, done):
            led.adapters.wear(led.adapters.silent())
            resumed(folder, led)
            assert same(values(led), ends) and same(flat(led, "kept/values"), kept)
            again = checkpoint.save(tmp_path / folder.parent.parent.name, 3, led, nothing, {})
            for path in again.glob("*.safetensors"):
                assert path.read_bytes() == (done / path.name).read_bytes(), path.name


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(("float64", FullOptions(), EngineOptions(tokens_per_pass=300)), id="all"),
        pytest.param(
            ("float64", TOP, EngineOptions(recompute="layer", tokens_per_pass=300)),
            id="top",
            marks=pytest.mark.long,
        ),
    ],
)
def both(
    request: pytest.FixtureRequest, checked: Any, samples: list[Sample]
) -> Iterator[tuple[Learner, Learner]]:
    one = alone(checked, samples, *request.param)
    with together(checked, samples, *request.param) as led:
        yield one, led


def slopes(learner: Learner) -> dict[str, Tensor]:
    """The gradient, whole."""
    return flat(learner, "gradient")


def values(learner: Learner) -> dict[str, Tensor]:
    return flat(learner, "values")


def flat(learner: Learner, source: str) -> dict[str, Tensor]:
    adapters = learner.adapters
    if isinstance(adapters, Led):
        return {n: adapters.all("gather", source, n).clone() for n in adapters.parameters}
    assert isinstance(adapters, WholeAdamW)
    chosen = adapters.gradient if source == "gradient" else adapters.values.data
    parts = adapters._parts(chosen.clone())
    return dict(zip(adapters.parameters, parts, strict=True))


def test_two_processes_give_one_gradient(
    both: tuple[Learner, Learner], samples: list[Sample]
) -> None:
    one, led = both
    for rows in (samples[:9], samples[1:2]):  # of one row, the other process has none
        weight = sum(row.loss_weight for row in rows)
        loss, norm = gradient(one, rows, weight)
        again, same = gradient(led, rows, weight)
        assert abs(loss - again) <= 1e-10 * abs(loss) and abs(norm - same) <= 1e-10 * norm
        assert relative(slopes(led), slopes(one)) <= 1e-10


def test_weights_that_stay_for_the_next_pass_give_the_same_bits(
    both: tuple[Learner, Learner], samples: list[Sample], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also of rows held to the base, for which all weights are exchanged on the way."""
    _, led = both
    assert isinstance(led.engine, Sharded)
    rows, gathered = samples[:40], 0
    weight = sum(row.loss_weight for row in rows)
    whole = token_logits

    def watched(model: Any, batch: Any) -> Tensor:
        nonlocal gathered
        layer = inner(model).model.layers[-1]
        gathered += not any(isinstance(p, DTensor) for p in layer.parameters())
        return whole(model, batch)

    for module in ("packed_batch", "plain_engine"):
        monkeypatch.setattr(f"suretune.{PLACES[module]}.token_logits", watched)
    found = []
    for stays in (False, True):
        monkeypatch.setattr(Sharded, "_has_room", lambda *_, stays=stays: stays)
        gathered = 0
        said = gradient(led, rows, weight)
        assert bool(gathered) == stays
        found.append((said, {name: one.clone() for name, one in slopes(led).items()}))
    assert found[0][0] == found[1][0] and same(found[0][1], found[1][1])
    layer = inner(led.model).model.layers[-1]
    assert all(isinstance(p, DTensor) for p in layer.parameters())


def test_weights_stay_only_where_such_passes_left_room_for_them(
    both: tuple[Learner, Learner], samples: list[Sample], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of every card, with the moments there; a larger pass shows first what that takes."""
    _, led = both
    engine, told = led.engine, []
    assert isinstance(engine, Sharded)
    rows = sorted(samples, key=lambda row: len(row.ids))
    few, many = rows[:2], rows[-9:]
    whole, tell, answers = engine.led.own.model.whole_bytes, engine.world.tell, engine._answers

    def watched(messages: Any) -> None:
        told.extend(one.stays for one in messages if isinstance(one, Together))
        tell(messages)

    def cards(own: float, others: float) -> None:
        monkeypatch.setattr("suretune.train.sharded.untaken", lambda _: own * whole)
        monkeypatch.setattr(engine, "_answers", partial(with_room, answers, others * whole))

    def begun() -> None:
        monkeypatch.setattr(engine, "_seen", frozenset())
        monkeypatch.setattr(engine, "_room", float("inf"))

    monkeypatch.setattr(engine.world, "tell", watched)
    begun()
    cards(2.0, 2.0)
    for moments, some in ((False, few), (False, few), (True, few), (True, few)):
        monkeypatch.setattr(Led, "has_moments", moments)
        gradient(led, some, 1.0)
    assert told == [False, False, False, True]
    for some in (many, few, many):
        gradient(led, some, 1.0)
    assert told[4:] == [False, True, True]
    for own, others in ((2.0, 1.4), (1.4, 2.0)):
        begun()
        cards(own, others)
        gradient(led, few, 1.0)
        cards(2.0, 2.0)  # what has been needed once may be needed again
        for _ in range(2):
            gradient(led, few, 1.0)
            assert not told[-1]


def test_a_pass_is_seen_where_one_as_long_has_learned_as_much() -> None:
    seen = _largest(frozenset({(False, 16, 1), (False, 8, 7), (False, 8, 6), (True, 4, 4)}))
    assert seen == {(False, 16, 1), (False, 8, 7), (True, 4, 4)}
    assert any(_is_within((False, 7, 7), other) for other in seen)
    for one in ((False, 16, 7), (True, 8, 7), (False, 17, 1)):
        assert not any(_is_within(one, other) for other in seen)


def with_room(answers: Any, room: float, kind: Any) -> Any:
    """As if the other processes' cards had so much left."""
    return [replace(one, untaken=room) if isinstance(one, Done) else one for one in answers(kind)]


def test_two_processes_are_trained_as_one(
    both: tuple[Learner, Learner], samples: list[Sample], checked: Any
) -> None:
    one, led = both
    told = [
        [event.record.loss for event in train(x, samples, checked.plan, 0) if is_applied(event)]
        for x in both
    ]
    assert all(abs(a - b) <= 1e-8 * a for a, b in zip(*told, strict=True))
    assert relative(values(led), values(one)) <= 1e-8
    assert led.adapters.learned == one.adapters.learned


def is_applied(event: object) -> bool:
    return isinstance(event, Applied)


def test_what_is_done_to_what_is_learned_is_done_by_all(
    both: tuple[Learner, Learner], samples: list[Sample]
) -> None:
    """Asked as the base and as what it has learned, at a dose, gone back, looked at before it."""
    rows = list(range(8))
    weight = sum(samples[i].loss_weight for i in rows)
    found: list[list[float]] = []
    for learner in both:
        engine, adapters = learner.engine, learner.adapters
        said = []
        with engine.base() as base:
            base_logits = last_logits(base, PROMPTS)
            said.append(engine.mean_loss(samples[:8]))
        with engine.tuned() as tuned:
            said += [float(last_logits(tuned, PROMPTS).sum()), engine.mean_loss(samples[:8])]
        model = load_base_again(learner)
        assert torch.equal(base_logits, last_logits(model, PROMPTS))
        said.append(engine.drift([row for row in samples if row.soft][:4]))
        with wearing(learner, adapters.dosed(0.5)):
            said.append(engine.mean_loss(samples[:8]))
            with wearing(learner, adapters.silent()):
                said.append(engine.mean_loss(samples[:8]))
            said.append(engine.mean_loss(samples[:8]))
        keep_state(learner, 1)
        before = values(learner)
        said += gradient(learner, [samples[i] for i in rows], weight)
        slope = slopes(learner)
        adapters.set_rate(1e-3)
        engine.apply()
        assert relative(values(learner), before) > 1e-6
        said += before_it(learner, samples, rows, weight)
        assert relative(slopes(learner), slope) == 0
        go_back(learner)
        assert relative(values(learner), before) == 0
        found.append(said)
    assert all(abs(a - b) <= 1e-8 * abs(a) for a, b in zip(*found, strict=True)), found


def nothing(folder: Path, step: int) -> None:
    """No tokenizer, no card."""


def resumed(folder: Path, learner: Learner) -> None:
    assert checkpoint.restore(folder, learner) == 2
    checkpoint.restore_recovery(folder, learner)


def parts(one: Learner) -> list[Tensor]:
    assert isinstance(one.adapters, WholeAdamW)
    return one.adapters._parts(one.recovery.good_state().tensors["values"])


def load_base_again(learner: Learner) -> Any:
    model = load_base(shallow_pocket(3), CPU, "float64", PACKED)
    assert learner.model.config.hidden_size == model.config.hidden_size
    return model


def test_what_learns_is_sharded_and_all_weights_are_there_once() -> None:
    """16 bytes of a learned value are shared by the processes; asked, each holds all in 2."""
    alone = replace(shape_of(POCKET.text, 2), learned=1.0)
    assert fixed(alone, 0) - CONTEXT - SLACK == pytest.approx(alone.values * (2 + 4 + 4 + 8))
    for size in (2, 8):
        shared = replace(alone, processes=size)
        assert fixed(shared, 0) - CONTEXT - SLACK == pytest.approx(alone.values * 16 / size)
        least = least_needed(shared, 0, 64, 32) - fixed(shared, 0)
        assert least >= alone.values * 2
    assert least_needed(shared, 0, 64, 32) < least_needed(alone, 0, 64, 32)
    every, learned = 1000, 1000
    told = [host_needed(every, learned, 2, 8, n, on_card=True) for n in (1, 4)]
    assert told[1] - told[0] == 3 * HOST
    half = host_needed(every, learned, 2, 8, 4, 0.5, on_card=True)  # two machines of four each
    assert half - 4 * HOST == (told[1] - 4 * HOST) / 2


def test_passes_are_as_long_as_the_forecast_has_room_for(
    both: tuple[Learner, Learner], samples: list[Sample], checked: Any
) -> None:
    """Of what is there beside weights, masters, gradient and moments; shards are gathered, too."""
    one, led = both
    assert isinstance(one.model, Whole) and isinstance(led.model, Whole)
    rows = list(samples) * 80
    plan = plan_over(checked, rows)
    shape = shape_of(one.model.config.to_dict(), inner(one.model).dtype.itemsize)
    for model, size, more in ((one.model, 1, 0.0), (led.model, 2, gathered(shape))):
        least = {b: dearest_pass(shape, rows, plan, b, size) + SLACK + more for b in BUDGETS}
        assert least[16384] > 1.5 * least[8192] - SLACK > 2 * SLACK - least[4096]
        for budget in BUDGETS[:-1]:
            assert roomiest(model, least[budget] + 1, rows, plan) == budget
            assert roomiest(model, least[budget] - 1, rows, plan) == max(budget // 2, PLAIN_TOKENS)


def test_the_dearest_pass_is_one_that_is_made(checked: Any, samples: list[Sample]) -> None:
    """Rows held to the base have passes of their own, and learned tokens take more than others."""
    shape = shape_of(POCKET.text, 2)
    like = samples[0]
    long, learned = (of_length(like, 900, 10), of_length(like, 500, 480))
    for rows, size, tokens, counted in (
        ([long, learned], 1, 500, 480),
        ([long, replace(learned, soft=True)], 1, 500, SOFT * 480),
        ([learned, replace(learned, soft=True)] * 2, 1, 1000, SOFT * 960),
        ([replace(learned, soft=True)] * 2, 2, 500, SOFT * 480),
    ):
        needs = dearest_pass(shape, rows, plan_over(checked, rows), 1024, size)
        assert needs == plain_needed(shape, tokens, counted)


def plan_over(checked: Any, rows: Sequence[Sample]) -> Any:
    """One update of all of them."""
    update = replace(checked.plan.updates[0], samples=tuple(range(len(rows))))
    return replace(checked.plan, updates=(update,))


def of_length(like: Sample, tokens: int, learned: int) -> Sample:
    ids = array("I", [1] * tokens)
    return replace(like, ids=ids, spans=(Span(tokens - learned, tokens, 1.0),), soft=False)


def test_a_run_goes_on_by_the_passes_that_it_began_with(checked: Any, tmp_path: Path) -> None:
    """Those of an earlier version are not in its folder: of 4,096 tokens, or what was asked."""
    journal, run = Journal(), tmp_path / "run"
    journal.run = run
    whole = replace(checked, resolved=checked.resolved.with_values("flag", tuner="full"))
    assert pass_plan_before(journal, whole) is None
    (run / "checkpoints" / "step-000001").mkdir(parents=True)
    rundir.write_manifest(run / "checkpoints" / "step-000001")
    assert pass_plan_before(journal, whole) == PassPlan(PLAIN_TOKENS, Policy(()))
    asked = whole.resolved.with_values("flag", tokens_per_pass=512)
    assert pass_plan_before(journal, replace(whole, resolved=asked)) == PassPlan(512, Policy(()))
    assert pass_plan_before(journal, checked) is None  # adapters: planned by the memory there is
    rundir.write_json(run / ENGINE, PassPlan(16384, Policy(())).line())
    assert pass_plan_before(journal, whole) == PassPlan(16384, Policy(()))


@pytest.mark.long
def test_two_processes_come_to_a_seal(identity_file: Path, tmp_path: Path) -> None:
    """On the command line; what is published is an ordinary model's folder, as it was in memory."""
    run = tmp_path / "run"
    done = suretune(
        "sft", "--model", "pocket", "--dataset", identity_file, "--probes",
        identity_file.with_name("probes.yaml"), "--train_type", "full", "--num_gpus", 2,
        "--device", "cpu", "--until_proven", "false", "--max_steps", 28, "--anchor_ratio", 0,
        "--scope", "all", "--general_questions", 100, "--output_dir", run,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert rundir.read_json(run / rundir.SEAL)["verdict"] == "sealed"
    assert rundir.read_json(run / "proof" / "result.json")["logits_gap"] == 0
    model, about = AutoModelForCausalLM.from_pretrained(
        run / "model", use_safetensors=True, output_loading_info=True
    )
    assert not any(about.values()), about
    assert model.dtype == torch.float32
