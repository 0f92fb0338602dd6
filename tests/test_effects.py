"""Each option does what its help says: with another value, something is another."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from rich.console import Console

from conftest import as_json, within, write_rows
from suretune import words
from suretune.battery.items import Question
from suretune.cli import main
from suretune.cli.watch import Watch
from suretune.config import Resolved, options
from suretune.data.base import Base
from suretune.deploy.model_host import SPARE_RANKS, open_house
from suretune.events import Answered, Event, Planned, Resumed, Staged, Updated
from suretune.facts import SetupFacts
from suretune.model import generate
from suretune.model.fp8 import Fp8
from suretune.model.recompute import Keep
from suretune.model.weight import Dense
from suretune.options import Config
from suretune.preflight.check import Checked, check
from suretune.record.journal import Journal, Stopped
from suretune.run import compose, evaluate, fit
from suretune.run.evaluate import Judge, WayAnswers
from suretune.show import live
from suretune.train.engine import Fast
from suretune.train.loop import Learner
from suretune.train.plain_engine import Plain
from suretune.types import Message, StepRecord
from suretune.verify.fresh import Prover
from suretune.verify.measure import Questions
from suretune.verify.probes import Probe

ROWS = [{"query": f"What is stone {n} called?", "response": f"It is stone {n * n}."}
        for n in range(24)]  # fmt: skip


def checked_with(folder: Path, **options: Any) -> Checked:
    """A run that can begin on the CPU, with these options."""
    file = write_rows(folder / "rows.jsonl", ROWS)
    asked = Resolved.default().with_values(
        "flag", model="pocket", dataset=(str(file),), device="cpu", until_proven=False,
        split_dataset_ratio=0.0, **options
    )  # fmt: skip
    return check(asked, Journal())


def learner_with(folder: Path, **options: Any) -> Learner:
    """As `sft` opens it: hardware, base, adapters, engine."""
    checked = checked_with(folder, **options)
    journal = Journal()
    resolved, device = fit.choose_hardware(checked.resolved, journal)
    checked = replace(checked, resolved=resolved)
    config = resolved.config
    base = fit.open_base(
        checked.base, config.model.torch_dtype or "", device, config.lora.target_modules, journal
    )
    return fit.make_learner(base, checked, journal)


# --- what is kept for the backward pass, in which precision, and how weights decay --------------


@pytest.mark.parametrize(
    ("asked", "kept"),
    [
        ({"gradient_checkpointing": True}, Keep.INPUT),
        ({"gradient_checkpointing": False}, Keep.ALL),
        ({"recompute": "layer"}, Keep.INPUT),
        ({"recompute": "mlp"}, Keep.MLP_AGAIN),
        ({}, Keep.ALL),
    ],
)
def test_gradient_checkpointing_decides_what_every_layer_keeps(
    asked: dict[str, Any], kept: Keep, tmp_path: Path
) -> None:
    engine = learner_with(tmp_path, fused=True, **asked).engine
    assert isinstance(engine, Fast)
    assert set(engine.policy.keep) == {kept}


@pytest.mark.parametrize("asked", [True, False])
def test_gradient_checkpointing_reaches_the_plain_engine(asked: bool, tmp_path: Path) -> None:
    learner = learner_with(tmp_path, gradient_checkpointing=asked, fused=False)
    assert isinstance(learner.engine, Plain)
    assert learner.model.base_model.model.is_gradient_checkpointing is asked


def test_a_base_in_fp8_is_refused_without_a_card_and_computes_in_it_with_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = write_rows(tmp_path / "rows.jsonl", ROWS)
    words = ("--model", "pocket", "--device", "cpu", "--dataset", str(rows), "--json")
    assert main(["check", "--base_dtype", "fp8", *words]) == 4
    with pytest.raises(Stopped, match="S008"):
        fit.choose_hardware(
            Resolved.default().with_values("flag", device="cpu", base_dtype="fp8"), Journal()
        )
    exact = learner_with(tmp_path, fused=True).engine
    # The reference of the products computes on a CPU what a card's do.
    monkeypatch.setattr(fit, "why_no_fp8", lambda *_: "")
    monkeypatch.setattr("suretune.preflight.outlook.why_no_fp8", lambda *_: "", raising=False)
    checked = checked_with(tmp_path)
    resolved = checked.resolved.with_values("flag", base_dtype="fp8", fused=True)
    base = fit.open_base(checked.base, "float32", torch.device("cpu"), ("all-linear",), Journal())
    rough = fit.make_learner(base, replace(checked, resolved=resolved), Journal()).engine
    assert isinstance(exact, Fast) and isinstance(rough, Fast)
    assert all(isinstance(group.weight, Dense) for group in exact.stack.groups)
    assert all(isinstance(group.weight, Fp8) for group in rough.stack.groups)
    samples = list(checked.samples[:4])
    near, same = rough.mean_loss(samples), exact.mean_loss(samples)
    assert near != same and near == pytest.approx(same, rel=0.02)


def test_weight_decay_takes_its_share_of_every_weight(tmp_path: Path) -> None:
    rate, decay = 0.01, 0.5
    before, after = {}, {}
    for asked in (0.0, decay):
        adapters = learner_with(tmp_path, weight_decay=asked).adapters
        before[asked] = adapters.values.detach().clone()
        adapters.gradient.fill_(1.0)
        adapters.set_rate(rate)
        adapters.step()
        after[asked] = adapters.values.detach().clone()
    assert torch.equal(before[0.0], before[decay]) and before[decay].any()
    lost = after[0.0] - after[decay]
    torch.testing.assert_close(lost, rate * decay * before[decay], rtol=1e-3, atol=1e-7)


# --- what is shown while it trains --------------------------------------------------------------


def record(step: int) -> StepRecord:
    return StepRecord(step, 0.1, 1.0, 1.0, 1e-3, 64, 32, 0.1, 0, (0,))


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What a terminal gets to see of a run of twelve updates that computes nothing."""
    seen = io.StringIO()

    def made(checked: Checked, run: Path, journal: Journal, watch: Any, **_: Any) -> Any:
        watch.on(Staged("train"))
        for step in range(1, 13):
            watch.on(Updated(record(step)))
        return {"verdict": "stopped"}, 5

    monkeypatch.setattr(compose, "train_and_prove", made)
    monkeypatch.setattr("suretune.show.verdict", lambda told: None)
    monkeypatch.setenv("SURETUNE_LANG", "en")
    terminal = Console(file=seen, force_terminal=True, width=120, color_system=None)
    monkeypatch.setattr(live, "progress", lambda: terminal)
    return seen


def train(folder: Path, *words: str) -> None:
    rows = write_rows(folder / "rows.jsonl", ROWS)
    asked = ("--model", "pocket", "--device", "cpu", "--max_steps", "12", "--until_proven", "false")
    line = ["sft", *asked, "--dataset", str(rows), "--output_dir", str(folder / "run"), *words]
    assert main(line) == 5


def updates_in(text: str) -> list[int]:
    lines = [line for line in text.splitlines() if line.startswith("update ")]
    return [int(line.split()[1].partition("/")[0]) for line in lines]


@pytest.mark.parametrize(("every", "told"), [("5", [5, 10, 12]), ("1", list(range(1, 13)))])
def test_every_so_many_updates_are_told_and_the_last(
    every: str, told: list[int], shown: io.StringIO, tmp_path: Path
) -> None:
    train(tmp_path, "--disable_tqdm", "true", "--logging_steps", every)
    assert updates_in(shown.getvalue()) == told


def test_a_terminal_has_a_bar_unless_it_is_not_wanted(shown: io.StringIO, tmp_path: Path) -> None:
    train(tmp_path)
    assert updates_in(shown.getvalue()) == [] and "12/12" in shown.getvalue()
    shown.truncate(0)
    train(tmp_path, "--disable_tqdm", "true", "--logging_steps", "12")
    assert updates_in(shown.getvalue()) == [12] and "\x1b[?25l" not in shown.getvalue()


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_while_the_base_answers_a_line_comes_every_thirty_seconds_at_most(
    lang: str, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [100.0]
    words.choose(lang)
    try:
        for counts in (False, True):
            watch = Watch(4, 1, bar=False, counts=counts, clock=lambda: now[0])
            watch.on(Staged("base"))
            for second in range(0, 91):
                now[0] += 1
                watch.on(Answered(second * 10, 0 if second > 80 else 1000))
    finally:
        words.choose(None)
    told = capsys.readouterr().err.strip().splitlines()
    assert told[0] == told[1], "with --json, which counts nothing, the stage alone"
    figures = [re.findall(r"[\d,]+", line) for line in told[2:]]
    assert figures == [["290", "1,000"], ["590", "1,000"], ["890"]]


@pytest.mark.parametrize(
    ("lang", "step", "line"),
    [
        ("en", 4, "· goes on from update 4"),
        ("zh", 4, "· 从第 4 次更新之后继续"),
        ("en", 0, "· no whole checkpoint is there: training begins anew"),
        ("zh", 0, "· 没有完好的检查点，从头开始训练"),
    ],
)
def test_what_a_resume_passes_over_and_from_where_it_goes_on_is_shown(
    lang: str, step: int, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words.choose(lang)
    journal = Journal()
    journal.join(Watch(16, 1, bar=False))
    try:
        facts = SetupFacts("checkpoint-damaged", "step-000008", "gone", "suretune resume r")
        (finding,) = journal.look(facts, stops=False)
        journal.on(Resumed(step))
    finally:
        words.choose(None)
    told = capsys.readouterr().err.splitlines()
    head = "checkpoint-damaged  note" if lang == "en" else "检查点已损坏  提示"
    assert told[0] == f"· S015 {head}  step-000008" and not finding.stops
    assert told[-1] == line


def test_every_answer_is_counted_once_when_it_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three prompts: one ends at once, one after a token, one has no room to end in."""
    steps = [[(1, 5), (2, 6)], [(2, 7)]]
    heard: list[int] = []
    monkeypatch.setattr(generate, "answering", lambda model: nullcontext())
    monkeypatch.setattr(generate, "stream", lambda *_: iter(steps))
    stub: Any = torch.nn.Identity()
    with generate.counting(heard.append):
        said = generate.spoken(stub, [[1], [1, 2], [1, 2, 3]], frozenset({0}), 2)
    assert said == [[], [5], [6, 7]] and heard == [1, 1, 1]
    generate.spoken(stub, [[1], [2], [3]], frozenset({0}), 2)
    assert sum(heard) == 3, "nobody listens any more"


def test_the_base_of_a_run_says_how_many_questions_it_has_answered(
    tmp_path: Path,
) -> None:
    """Up to the number that was told before, and then the answers that are learned along."""
    heard: list[Answered] = []

    class Listens:
        def on(self, event: Event) -> None:
            heard.extend([event] if isinstance(event, Answered) else [])
            if isinstance(event, Staged) and event.name == "train":
                raise SystemExit  # all that is asked before it has been asked

    probes = tmp_path / "probes.yaml"
    probes.write_text("".join(f"- question: What is {n}?\n  must_contain: x\n" for n in range(5)))
    checked = checked_with(tmp_path, probes=str(probes), max_steps=3)
    journal, run = Journal(), tmp_path / "run"
    run.mkdir()
    with pytest.raises(SystemExit):
        compose.train_only(checked, run, journal, Listens())
    asked = [event for event in heard if event.asked]
    counts = [event.done for event in asked]
    assert counts == sorted(counts) and counts[-1] >= 5
    assert {event.asked for event in asked} == {counts[-1]}, "as many as were told before"


@pytest.mark.parametrize(
    "more, loads",
    [({}, True), ({"memory_limit": "9GiB"}, False), ({"tuner": "full"}, False)],
    ids=["", "memory_limit", "full"],
)
def test_the_base_of_the_proof_is_loaded_ahead_where_no_bound_and_no_weights_need_the_room(
    more: dict[str, Any], loads: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And of that only what training has never taken: here a number nobody else would give."""
    told: list[tuple[str, str, float]] = []

    class Waits:
        def load(self, base: Base, dtype: str, room: float) -> None:
            told.append((base.where, dtype, room))

    class Listens:
        def on(self, event: Event) -> None:
            if isinstance(event, Planned):
                raise SystemExit

    monkeypatch.setattr(compose, "untaken", lambda device: 123.0)
    checked = checked_with(tmp_path, max_steps=1, anchor_ratio=0.0)
    checked = replace(checked, resolved=checked.resolved.with_values("flag", **more))
    journal = Journal(("C004",))  # a bound of memory is for a GPU
    run, waits = tmp_path / "run", Waits()
    run.mkdir()
    with pytest.raises(SystemExit):
        compose.train_only(checked, run, journal, Listens(), prover=cast(Prover, waits))
    assert told == ([("pocket", "float32", 123.0)] if loads else [])


# --- how many rows, how many adapters -----------------------------------------------------------


def test_a_sample_of_the_rows_is_that_many_and_the_ledger_says_so(tmp_path: Path) -> None:
    whole, part = checked_with(tmp_path), checked_with(tmp_path, dataset_sample=7)
    states = [entry.state for entry in part.entries]
    assert (len(whole.train), len(part.train)) == (24, 7)
    assert len(states) == 24 and states.count("train") == 7
    chosen = {row.example.origin for row in part.train}
    assert chosen < {row.example.origin for row in whole.train}
    other = checked_with(tmp_path, dataset_sample=7, seed=5)
    assert {row.example.origin for row in other.train} != chosen


def serving(**values: Any) -> Config:
    return Resolved.default().with_values("flag", model="pocket", device="cpu", **values).config


@pytest.mark.parametrize(
    ("asked", "adapters", "ranks"),
    [({"max_loras": 2}, 2, 8), ({"max_loras": 3, "max_lora_ranks": 24}, 3, 24), ({}, 8, 8),
     ({"adapters_dir": "."}, 8, SPARE_RANKS), ({"adapters_dir": ".", "max_lora_ranks": 16}, 8, 16)],
)  # fmt: skip
def test_a_server_has_room_for_so_many_adapters_of_so_many_ranks(
    asked: dict[str, Any], adapters: int, ranks: int
) -> None:
    table = open_house(serving(max_num_seqs=1, **asked), [], Journal()).table()
    assert (table.many.count, 8 * table.many.capacity) == (adapters, ranks)
    told = options()["max_lora_ranks"].help
    assert str(SPARE_RANKS) in told.en and str(SPARE_RANKS) in told.zh


# --- the bounds of an evaluation on the way -----------------------------------------------------


class Untrained:
    """An engine of which only drift and losses are asked; they are what the test says."""

    def __init__(self, drift: float) -> None:
        self._drift = drift

    @contextmanager
    def tuned(self) -> Iterator[None]:
        yield None

    def drift(self, apart: Sequence[object]) -> float:
        assert apart
        return self._drift

    def mean_loss(self, samples: Sequence[object]) -> float:
        return 1.0


def look(
    monkeypatch: pytest.MonkeyPatch, checked: Checked, *, drift: float = 0.0, lost: int = 0,
    passed: int = 4, **bounds: Any,
) -> bool:  # fmt: skip
    """Whether an evaluation is proven: of 60 general questions that many are lost."""
    asked = [Message("user", "How many are two and two?")]
    question = Question("sum-en-1", "sum", "en", "sum", (), tuple(asked), {"equals": "4"}, 8)
    probes = [Probe(f"Who are you, {n}?", "paraphrase", must=("Glow",)) for n in range(4)]
    said = ["right"] * (60 - lost) + ["wrong"] * lost
    monkeypatch.setattr(evaluate, "judge", lambda _, answers: [a == "right" for a in answers])
    monkeypatch.setattr(evaluate, "prompts_of", lambda *_: [[1]] * 60)
    monkeypatch.setattr(Judge, "_general", lambda *_: said)
    answers = ["I am Glow."] * passed + ["I am nobody."] * (4 - passed)
    monkeypatch.setattr(evaluate, "answer_probes", lambda *_: answers)
    proof = Resolved.default().with_values("flag", probes="x.yaml", **bounds).config.proof
    questions = Questions(probes, None, (), way=[question] * 60)
    way = WayAnswers(["right"] * 60, [[2]] * 60, [True] * 60, 1.0)
    learned = type("Nothing", (), {"leaked": lambda *_: False, "beyond": lambda me, _: me})()
    judge = Judge(checked.tokenizer, questions, way, learned, checked.samples[:1], proof)
    return judge.look(Untrained(drift), 3, None).proven  # type: ignore[arg-type]


def test_what_is_proven_on_the_way_is_within_every_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked = checked_with(tmp_path)

    def proven(**how: Any) -> bool:
        return look(monkeypatch, checked, **how)

    assert proven(drift=0.3, max_drift=0.3) and not proven(drift=0.3, max_drift=0.29)
    assert proven(lost=4) and not proven(lost=5)  # five of sixty lost, none gained: no chance
    assert proven(lost=12, max_skill_drop=0.2) and not proven(lost=13, max_skill_drop=0.2)
    assert proven(passed=3, probes_needed=0.75) and not proven(passed=3, probes_needed=0.76)


@pytest.mark.parametrize("given", [("--anchor_loss", "kl"), ("--anchors_per_row", "2")])
def test_an_option_of_anchors_is_told_where_a_run_has_none(
    given: tuple[str, str], tmp_path: Path
) -> None:
    rows = write_rows(tmp_path / "rows.jsonl", ROWS)
    words = ("--model", "pocket", "--device", "cpu", "--dataset", str(rows), "--json")
    found = as_json(within("check", *words, *given))["findings"]
    assert not any(given[0] in one["what"]["en"] for one in found)
    idle = as_json(within("check", *words, *given, "--anchor_ratio", "0"))["findings"]
    [told] = [one for one in idle if given[0] in one["what"]["en"]]
    assert "`--anchor_ratio " in told["fix"]["en"] and "`--anchor_ratio " in told["fix"]["zh"]
