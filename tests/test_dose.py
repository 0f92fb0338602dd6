"""The dose: the rule, what is folded, what is asked for it; a resume publishes the same."""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from peft.tuners.lora import LoraLayer
from safetensors.torch import load_file

from conftest import codes, within, write_rows
from shallow import shallow_pocket
from suretune import rundir
from suretune.config import Resolved, options
from suretune.data.choose import DOSE, WIDE_DOSE
from suretune.data.identity import plain
from suretune.events import Evaluated, Event
from suretune.guards.guard import Guard
from suretune.model.generate import last_logits
from suretune.model.load import load_base
from suretune.model.lora import WEIGHTS, load_adapter, save_adapter, save_weights
from suretune.model.packed_batch import make_pass, token_logits
from suretune.pocket import MODEL
from suretune.preflight.check import Checked
from suretune.record.journal import Journal
from suretune.run import dose as dosing
from suretune.run import evaluate
from suretune.run.compose import Trained, publish, train_only
from suretune.run.dose import (
    FILE,
    GRID,
    Dose,
    choose_dose,
    fold,
    looks_ahead,
    smallest,
    weaker_dose,
)
from suretune.run.evaluate import on_the_way
from suretune.run.prove import EXACT, publish_adapter
from suretune.run.questions import keep_questions, make_questions
from suretune.run.resume import reopen
from suretune.train.checkpoint import STATE
from suretune.train.loop import Learner
from suretune.types import Evaluation, Text
from suretune.verify.measure import Questions
from suretune.verify.probes import AS_TRAINED, MUST_PASS, Probe
from suretune.verify.report import html, markdown
from test_guards import GUARDS, PROOF
from test_laws import CPU, checked_run, make_learner

# --- the rule -------------------------------------------------------------------------------------


Asked = Callable[[float], bool]


def asked_of(passes: Asked, holds: Asked) -> tuple[float, list[float], list[float]]:
    """What is chosen, and of which doses the probes, and everything, was asked for it."""
    probes: list[float] = []
    everything: list[float] = []

    def noted(answer: Asked, asked: list[float]) -> Asked:
        return lambda dose: asked.append(dose) or answer(dose)

    return smallest(noted(passes, probes), noted(holds, everything), *DOSE), probes, everything


@pytest.mark.parametrize("least", GRID)
def test_a_margin_above_the_least_dose_that_passes(least: float) -> None:
    chosen, probes, everything = asked_of(lambda dose: dose >= least, lambda dose: dose >= least)
    assert chosen == (round(least + 0.2, 1) if least < 0.8 else 1.0)
    assert len(probes) == len(set(probes)) == 3 and 1.0 not in probes
    assert everything == ([] if chosen == 1.0 else [chosen]), "what is published, and no other"


@pytest.mark.parametrize(
    ("least", "chosen"),
    [(0.3, 0.65), (0.5, 0.85), (0.6, 0.95), (0.8, 0.95), (0.9, 0.95), (0.99, 1.0)],
)
def test_a_wide_model_publishes_less_than_full_strength_where_it_holds(
    least: float, chosen: float
) -> None:
    """The last twentieth leaks most; the least dose at which few probes pass is a noisy figure."""
    asked: list[float] = []

    def holds(dose: float) -> bool:
        asked.append(dose)
        return dose >= least

    assert smallest(lambda dose: dose >= least, holds, *WIDE_DOSE) == chosen
    assert asked == [min(chosen, WIDE_DOSE[1])]


def test_whatever_passes_what_is_published_was_seen_to_pass() -> None:
    """All ways in which noise can let doses pass and fail, with the probes and with all else."""
    subsets = [{d for bit, d in enumerate(GRID[:-1]) if n >> bit & 1} for n in range(2**7)]
    for passing, holding in product(subsets, subsets):
        chosen, probes, everything = asked_of(passing.__contains__, holding.__contains__)
        assert chosen == 1.0 or chosen in holding & set(everything)
        assert len(set(probes)) + len(set(everything)) == len(probes) + len(everything) <= 5


def test_where_the_margin_does_not_hold_the_next_may() -> None:
    assert asked_of(lambda dose: dose >= 0.4, lambda dose: dose >= 0.7)[0] == 0.7
    chosen, _, everything = asked_of(lambda dose: dose >= 0.4, lambda dose: dose >= 0.8)
    assert chosen == 1.0 and everything == [0.6, 0.7]


# --- what is folded -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def learner(identity_file: Path) -> Learner:
    return make_learner(checked_run(identity_file))


@pytest.mark.parametrize("dose", [0.3, 0.7, 0.123])
def test_lora_b_is_multiplied_in_float32_and_nothing_else(learner: Learner, dose: float) -> None:
    before = learner.adapters.values.detach().clone()
    flat, at = learner.adapters.dosed(dose), 0
    for name, parameter in learner.adapters.parameters.items():
        part = flat[at : at + parameter.numel()].numpy()
        whole = parameter.detach().numpy().ravel()
        assert np.array_equal(part, whole * np.float32(dose) if "lora_B" in name else whole)
        at += parameter.numel()
    assert at == len(flat) and flat.dtype == torch.float32
    assert torch.equal(learner.adapters.values, before)


@pytest.mark.parametrize("fast", [False, True])
def test_a_dose_is_the_same_adapter_at_a_lower_scale(identity_file: Path, fast: bool) -> None:
    """By PEFT's own scaling; the fast engine computes with it as soon as it is folded."""
    checked = checked_run(identity_file)
    scaled, folded = make_learner(checked), make_learner(checked, fast=fast)
    rows = list(checked.samples[:4])
    full = scaled.engine.mean_loss(rows)
    for module in scaled.model.modules():
        if isinstance(module, LoraLayer):
            module.scaling["default"] *= 0.7
    fold(folded, 0.7)
    assert folded.engine.mean_loss(rows) == pytest.approx(scaled.engine.mean_loss(rows), rel=1e-5)
    assert abs(folded.engine.mean_loss(rows) - full) > 1e-4
    with torch.no_grad():
        batch = make_pass(rows, CPU)
        one, other = (token_logits(each.model, batch) for each in (scaled, folded))
    assert torch.allclose(one, other, rtol=1e-4, atol=1e-4)


def test_r001_sees_every_dose_but_the_one_in_memory(identity_file: Path, tmp_path: Path) -> None:
    """The file of the dose in memory reloads to the same logits; those of others do not."""
    learner, prompts = make_learner(checked_run(identity_file)), [[5, 6, 7, 8], [9, 10, 11]]
    base = shallow_pocket()  # of which the learner is made
    full = learner.adapters.values.detach().clone()

    def reloaded(dose: float) -> torch.Tensor:
        folder = tmp_path / f"{dose}"
        folder.mkdir()
        learner.adapters.values.data.copy_(full)
        save_adapter(learner.model, folder)
        fold(learner, dose)
        save_weights(learner.model, folder)
        return last_logits(load_adapter(load_base(base, CPU, "float32"), folder)[0], prompts)

    found = {dose: reloaded(dose) for dose in (0.7, 0.6, 1.0)}
    learner.adapters.values.data.copy_(full)
    fold(learner, 0.7)
    memory = last_logits(learner.model, prompts)
    r001: Guard[Any] = GUARDS["R001"]
    for dose, logits in found.items():
        gap = (logits - memory).abs().max().item()
        told = r001.judge(replace(PROOF, logits_gap=gap, logits_tolerance=EXACT))
        assert (told is None) == (dose == 0.7), (dose, gap)


# --- when there is a dose, and when not -----------------------------------------------------------


class Fake:
    """An engine, a judge and adapters of which nothing is left but the dose that is asked."""

    def __init__(self, passes: float, loss: Callable[[float], float] = lambda _: 1.0) -> None:
        self.dose, self.passes, self.loss = 1.0, passes, loss
        self.asked: list[float] = []
        self.measured: list[float] = []
        values = torch.ones(1)
        self.adapters = SimpleNamespace(
            values=SimpleNamespace(data=values),
            dosed=values.mul,
            aside=values.clone,
            wear=values.copy_,
        )
        self.engine = SimpleNamespace(restored=self.restored, mean_loss=self.mean_loss)

    def restored(self) -> None:
        self.dose = round(self.adapters.values.data.item(), 3)

    def mean_loss(self, rows: object) -> float:
        self.measured.append(self.dose)
        return self.loss(self.dose)

    def look_at_probes(self, engine: object, step: int, loss: float | None) -> Evaluation:
        self.asked.append(self.dose)
        return Evaluation(step, loss, 9, 10, proven=self.dose >= self.passes)

    def look(self, engine: object, step: int, loss: float | None) -> Evaluation:
        return replace(self.look_at_probes(engine, step, loss), leaked=round(10 * self.dose))


def job_of(
    run: Path, fake: Fake, *, proven: bool = True, identity: bool = True, probing: bool = True,
    held_out: tuple[str, ...] = (), given: float | None = None, passed: int = 10,
) -> tuple[Any, Path]:  # fmt: skip
    kept = run / "checkpoints" / "step-000008"
    kept.mkdir(parents=True)
    (kept / WEIGHTS).write_bytes(b"weights")
    resolved = Resolved.default().with_values("flag", adapter_dose=given)
    checked = SimpleNamespace(
        resolved=resolved, about_identity=identity,
        plan=SimpleNamespace(probe_steps=(8,) if probing else ()),
    )  # fmt: skip
    evals = [Evaluation(4, None, 2, 10), Evaluation(8, None, passed, 10, leaked=5, proven=proven)]
    learner = SimpleNamespace(engine=fake.engine, adapters=fake.adapters)
    return SimpleNamespace(
        dose=DOSE,
        run=run, checked=checked, evals=evals if probing else [], learner=learner, judge=fake,
        held_out=held_out, journal=Journal(),
    ), kept  # fmt: skip


def chosen_by(run: Path, fake: Fake, **about: Any) -> Dose:
    job, kept = job_of(run, fake, **about)
    found = choose_dose(job, kept, lambda: None)
    assert fake.adapters.values.data.item() == 1.0, "at full strength again"
    assert looks_ahead(job.checked) >= bool(found.tried)
    return found


def test_the_kept_checkpoint_is_searched_and_what_was_tried_is_told(tmp_path: Path) -> None:
    fake = Fake(0.5)
    found = chosen_by(tmp_path, fake)
    assert found.value == 0.7 and fake.asked == [0.6, 0.4, 0.5, 0.7]
    assert [one.dose for one in found.tried] == [1.0, 0.6, 0.4, 0.5, 0.7]
    assert [one.leaked for one in found.tried] == [5, None, None, None, 7]
    assert found.found is not None and found.found.dose == 0.7


def test_what_is_not_proven_keeps_all_of_its_strength(tmp_path: Path) -> None:
    fake = Fake(0.3)
    assert chosen_by(tmp_path / "a", fake, proven=False, passed=9) == Dose()
    assert chosen_by(tmp_path / "b", fake, probing=False) == Dose()
    assert chosen_by(tmp_path / "c", fake, given=1.0) == Dose()
    assert not fake.asked and not list(tmp_path.rglob(FILE))


def test_what_says_everything_but_costs_too_much_is_tried_with_less(tmp_path: Path) -> None:
    """General questions that are lost at full strength may hold at less."""
    fake = Fake(0.3)
    assert chosen_by(tmp_path, fake, proven=False).value == 0.5 and fake.asked


@pytest.mark.parametrize(
    "value, passed, failed, below",
    [
        (1.0, (1.0, 0.8), (0.7,), 0.9),
        (1.0, (1.0, 0.9), (0.8,), 0.9),
        (0.9, (1.0, 0.7, 0.9), (0.6,), 0.8),
        (1.0, (1.0,), (0.9,), None),  # all of it is needed
        (0.95, (1.0, 0.8, 0.95), (0.7,), 0.9),  # the grid's next, not a step of it
        (0.95, (1.0, 0.8, 0.95), (0.7, 0.9), None),  # where it was seen to fail
        (0.9, (0.9, 1.0), (), None),  # was asked for: below it nothing was looked at
        (0.3, (0.3, 1.0), (), None),
    ],
)
def test_a_step_below_is_told_where_the_probes_pass(
    value: float, passed: tuple[float, ...], failed: tuple[float, ...], below: float | None,
    tmp_path: Path,
) -> None:  # fmt: skip
    assert weaker_dose(tmp_path) is None, "none was searched"
    tried = [Evaluation(80, None, 9, 10, proven=True, dose=dose) for dose in passed]
    tried += [Evaluation(80, None, 5, 10, dose=dose) for dose in failed]
    line = Dose(value, tuple(tried)).line()
    rundir.write_json(tmp_path / FILE, {"weights": "x", **line})
    assert weaker_dose(tmp_path) == below


def test_a_dose_that_is_given_is_taken_whatever_comes_of_it(tmp_path: Path) -> None:
    fake = Fake(0.9)
    found = chosen_by(tmp_path / "a", fake, given=0.45)
    assert found.value == 0.45 and found.given and fake.asked == [0.45]
    assert [one.dose for one in found.tried] == [1.0, 0.45]
    rows = chosen_by(tmp_path / "b", fake, given=0.45, probing=False)
    assert rows == Dose(0.45, given=True) and fake.asked == [0.45], "rows alone have no questions"


def test_what_rows_teach_beside_an_identity_is_not_given_up(tmp_path: Path) -> None:
    """Held-out rows say what a lower dose costs; where none are, nothing could say it."""
    learned = Fake(0.3, loss=lambda dose: 2.0 - dose)
    found = chosen_by(tmp_path / "a", learned, identity=False, held_out=("row",))
    assert found.value == 1.0 and not learned.asked and learned.measured == [1.0, 0.6, 0.8, 0.9]
    too_far = Fake(0.3, loss=lambda dose: abs(dose - 0.5))
    found = chosen_by(tmp_path / "b", too_far, identity=False, held_out=("row",))
    assert found.value == 0.5 and found.found is not None and found.found.held_out_loss is not None
    unknown = Fake(0.3)
    assert chosen_by(tmp_path / "c", unknown, identity=False) == Dose() and not unknown.asked


def test_looks_are_counted_before_and_told_as_no_checkpoint_that_is_kept(tmp_path: Path) -> None:
    def ahead(name: str, measured: bool = True, **about: Any) -> int:
        return looks_ahead(
            job_of(tmp_path / name, Fake(0.5), **about)[0].checked, measured=measured
        )

    assert ahead("a") == ahead("b", measured=False) == 4 and ahead("c", given=0.45) == 1
    assert ahead("d", given=1.0) == ahead("e", probing=False) == 0
    assert ahead("f", identity=False) == 4 and ahead("g", measured=False, identity=False) == 0
    for name, about in (("h", {}), ("i", {"given": 0.45})):
        job, kept = job_of(tmp_path / name, Fake(0.5), **about)  # type: ignore[arg-type]
        heard: list[Any] = []
        job.journal = SimpleNamespace(on=heard.append)
        begun: list[int] = []
        found = choose_dose(job, kept, lambda begun=begun: begun.append(1))
        assert [one.found for one in heard] == list(found.tried[1:]) and len(begun) == 1
        assert not any(one.kept for one in heard)


def test_what_was_chosen_stays_chosen_for_the_same_weights_only(tmp_path: Path) -> None:
    fake = Fake(0.5)
    job, kept = job_of(tmp_path, fake)
    first = choose_dose(job, kept, lambda: None)
    asked = len(fake.asked)
    assert choose_dose(job, kept, lambda: None) == first and len(fake.asked) == asked
    (kept / WEIGHTS).write_bytes(b"others")
    fake.passes = 0.7
    assert choose_dose(job, kept, lambda: None).value == 0.9
    job.evals = []
    (kept / WEIGHTS).write_bytes(b"unproven")
    assert choose_dose(job, kept, lambda: None) == Dose()
    assert not (tmp_path / FILE).exists(), "what is there is about what is published"


@pytest.mark.parametrize(
    "change", [{"value": "x"}, {"value": 0}, {"value": 1.5}, {"tried": 3}, {"tried": [{"no": 1}]},
               {"value": None}, {"given": ...}],
)  # fmt: skip
def test_a_damaged_record_is_named_and_not_obeyed(tmp_path: Path, change: dict[str, Any]) -> None:
    job, kept = job_of(tmp_path, Fake(0.5))
    choose_dose(job, kept, lambda: None)
    told = {**rundir.read_json(tmp_path / FILE), **change}
    rundir.write_json(tmp_path / FILE, {k: v for k, v in told.items() if v is not ...})
    with pytest.raises(rundir.Damaged, match=r"dose\.json"):
        choose_dose(job, kept, lambda: None)


# --- what it may ask ------------------------------------------------------------------------------


def test_the_judge_of_the_way_holds_no_question_of_the_proof() -> None:
    probes = [Probe("who", MUST_PASS, must=("x",)), Probe("shown", "shown")]
    probes += [Probe(f"q{n}", "paraphrase", must=("x",)) for n in range(9)]
    every: Any = Questions(probes, None, ["row"], ["general"], ["way"], ["held"], 2)
    mine = on_the_way(every)
    assert [p.question for p in mine.probes] == ["who", "q0", "q1", "q3", "q4", "q6", "q7"]
    assert not mine.general and not mine.rows and not mine.held_out and mine.way == ["way"]


def test_what_a_skills_file_asks_twice_is_asked_by_the_proof_alone(identity_file: Path) -> None:
    lines = (MODEL / "skills.jsonl").read_text("utf-8").splitlines()
    again = Counter(json.loads(line)["question"] for line in lines).most_common(1)
    assert again[0][1] > 1, "the pocket model's own file has such questions"
    asked = make_questions(checked_run(identity_file), Journal())
    way = {plain(q.asked) for q in asked.way}
    assert len(way) > 80 and not way & {plain(q.asked) for q in asked.general}


def test_where_nothing_is_asked_on_the_way_the_proof_asks_every_skill(
    identity_file: Path, tmp_path: Path
) -> None:
    """So it does with a file that is too small to be shared; a run goes on as it was begun."""
    checked = checked_run(identity_file)
    still = replace(checked, plan=replace(checked.plan, probe_steps=()))
    skills = [json.loads(line) for line in (MODEL / "skills.jsonl").read_text("utf-8").splitlines()]

    def asked(of: Checked, count: int, run: Path | None = None) -> Questions:
        file = write_rows(tmp_path / "skills.jsonl", skills[:count])
        resolved = of.resolved.with_values("flag", skills=str(file))
        return make_questions(replace(of, resolved=resolved), Journal(), run)

    def right(made: Questions) -> int:
        return sum(q.category != "near" for q in made.general)

    assert [right(asked(still, n)) for n in (1, 9, 50)] == [1, 9, 50]
    assert [right(asked(checked, n)) for n in (1, 9, 50)] == [1, 9, 40]
    assert [asked(checked, 50).apart, asked(still, 50).apart] == [10, None]
    before = asked(still, 50)
    keep_questions(tmp_path, before, (), (), Journal())
    assert asked(checked, 50, tmp_path) == before
    kept = rundir.read_json(tmp_path / "questions.json")
    kept.pop("apart")  # as an earlier version wrote it, which always shared
    rundir.write_json(tmp_path / "questions.json", kept)
    assert right(asked(still, 50, tmp_path)) == 40 and right(asked(still, 9, tmp_path)) == 7


# --- the real path --------------------------------------------------------------------------------


@contextmanager
def unpublished(trained: Path, run: Path) -> Iterator[Path]:
    """The finished run, as if it had been killed after its last update."""
    shutil.copytree(trained, run)
    for name in (rundir.SEAL, "report.json", "report.html", "report.md", FILE):
        (run / name).unlink(missing_ok=True)
    shutil.rmtree(run / "adapter")
    yield run


class Killed:
    """Ends its process with the look of this number, as `kill -9` does."""

    def __init__(self, number: int) -> None:
        self.left = number

    def on(self, event: Event) -> None:
        self.left -= isinstance(event, Evaluated)
        if not self.left:
            os.kill(os.getpid(), signal.SIGKILL)


def gone_on(run: Path) -> Trained:
    """Resumed to what is published, the proof left out."""
    torch.set_num_threads(1)
    journal = Journal()
    checked = reopen(run, journal)
    journal.open(run)
    return train_only(checked, run, journal, resume=True)


def published(run: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((run / "adapter").iterdir())}


def test_killed_amid_the_search_and_resumed_is_never_killed(trained: Path, tmp_path: Path) -> None:
    """Twice, in other moments; every file of the adapter, and the dose, are the same."""
    with unpublished(trained, tmp_path / "run") as run:
        for number in (1, 2):
            pid = os.fork()
            if pid == 0:
                try:
                    going = gone_on(run)
                    going.job.journal.join(Killed(number))
                    publish(going)
                finally:
                    os._exit(1)
            assert os.WIFSIGNALED(os.waitpid(pid, 0)[1]), "the look was not reached"
            assert not (run / "adapter").exists() and not (run / FILE).exists()
        asked: list[str] = []
        with pytest.MonkeyPatch.context() as patch:
            _note(patch, asked)
            gone = gone_on(run)
            asked.clear()
            dose = publish(gone)
        assert published(run) == published(trained)
        assert rundir.read_json(run / FILE) == rundir.read_json(trained / FILE)
        assert 0.3 < dose.value < 1 and dose.found is not None and dose.found.proven
        _in_memory_is_what_is_saved(gone, run, dose)
        _asked_nothing_of_the_proof(gone, asked)
        _all_of_it_is_the_checkpoint(gone, run)


def _note(patch: pytest.MonkeyPatch, asked: list[str]) -> None:
    """Every question that anybody asks on the way."""
    all_of, probes_of = evaluate.ask_all, evaluate.answer_probes

    def ask_all(model: Any, questions: Any, *more: Any) -> Any:
        asked.extend(q.asked for q in questions)
        return all_of(model, questions, *more)

    def answer_probes(model: Any, words_of: Any, probes: Any, *more: Any) -> Any:
        asked.extend(p.question for p in probes)
        return probes_of(model, words_of, probes, *more)

    patch.setattr(evaluate, "ask_all", ask_all)
    patch.setattr(evaluate, "answer_probes", answer_probes)


def _in_memory_is_what_is_saved(gone: Trained, run: Path, dose: Dose) -> None:
    saved = load_file(run / "adapter" / WEIGHTS)
    kept = rundir.pointed(run, "best")
    assert kept is not None
    full = load_file(kept / WEIGHTS)
    assert saved.keys() == full.keys()
    for name, tensor in saved.items():
        share = np.float32(dose.value) if "lora_B" in name else np.float32(1)
        assert np.array_equal(tensor.numpy(), full[name].numpy() * share)
    memory = gone.job.learner.adapters.parameters
    for name, parameter in memory.items():
        assert torch.equal(parameter.detach(), saved[name.replace(".default", "")])
    config = rundir.read_json(run / "adapter" / "adapter_config.json")
    assert config["lora_alpha"] == 32 and config == rundir.read_json(kept / "adapter_config.json")


def _asked_nothing_of_the_proof(gone: Trained, asked: list[str]) -> None:
    way = {p.question for p in on_the_way(gone.questions).probes}
    way |= {q.asked for q in gone.questions.way}
    judged = [p for p in gone.questions.probes if p.variant == AS_TRAINED and p.judged]
    kept_apart = {p.question for p in judged} - way
    assert asked and set(asked) <= way and kept_apart
    assert not set(asked) & (kept_apart | {q.asked for q in gone.questions.general})


def _all_of_it_is_the_checkpoint(gone: Trained, run: Path) -> None:
    """`--adapter_dose 1`: every file as it lies in the checkpoint, and no word of a dose."""
    kept = rundir.pointed(run, "best")
    assert kept is not None
    publish_adapter(gone.job, kept, Dose())
    there = {path.name: path.read_bytes() for path in kept.iterdir() if path.name not in STATE}
    files = published(run)
    manifest = rundir.read_json(run / "adapter" / rundir.MANIFEST)
    assert files.pop(rundir.MANIFEST) and files == there
    assert set(manifest) == {"checkpoint", "files"}


def test_a_sealed_run_says_its_dose_wherever_it_speaks(
    trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = rundir.read_json(trained / "report.json")
    dose = report["dose"]
    value = dose["value"]
    assert 0 < value < 1 and report["kept"]["dose"] == value and report["kept"]["proven"]
    assert dose["tried"][0]["dose"] == 1.0 and not dose["given"]
    assert rundir.read_json(trained / "adapter" / "suretune.json")["dose"] == value
    card = (trained / "adapter" / "README.md").read_text("utf-8")
    assert f"Dose {value:g} of the trained adapter" in card and "Asked on the way: 1 (" in card
    events = [e for e in rundir.read_jsonl(trained / "events.jsonl") if e["event"] == "dose"]
    assert events[-1]["value"] == value
    sealed = rundir.read_json(trained / rundir.SEAL)["files"]
    assert FILE in sealed and sealed[f"adapter/{WEIGHTS}"] == rundir.sha256(
        trained / "adapter" / WEIGHTS
    )
    for lang, told in (("en", f"{value:g} of the trained adapter"), ("zh", f"适配器的 {value:g}")):
        monkeypatch.setenv("SURETUNE_LANG", lang)
        assert told in html(report) and told in markdown(report)
        assert 'id="dose"' in html(report)


def test_a_report_without_a_dose_does_not_speak_of_one(
    trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SURETUNE_LANG", "en")
    report = {**rundir.read_json(trained / "report.json"), "dose": None}
    report["seconds"].pop("dose", None)
    said = html(report)
    assert "of the trained adapter" not in said and 'id="dose"' not in said
    assert "lower doses asked" not in said


# --- guards and the flag --------------------------------------------------------------------------


def test_a_proof_that_fails_at_a_lower_dose_says_how_to_publish_all_of_it() -> None:
    facts = replace(PROOF, must_pass_failed=("Who are you? -> Qwen",))
    whole, part = (GUARDS["R003"].judge(replace(facts, dose=dose)) for dose in (1.0, 0.4))
    assert whole and part and "--adapter_dose" not in whole.fix.en + whole.fix.zh
    for said in (part.fix.en, part.fix.zh):
        assert "`--adapter_dose 1`" in said and "0.4" in said


def test_held_out_losses_of_another_strength_are_not_compared() -> None:
    facts = replace(PROOF, held_out_before=3.0, held_out_least=1.0, held_out_after=1.5)
    assert GUARDS["R013"].judge(facts) and not GUARDS["R013"].judge(replace(facts, dose=0.6))


def test_the_flag_takes_auto_and_a_share() -> None:
    spec = options()["adapter_dose"]
    assert [spec.parse(word) for word in ("auto", "1", "1.0", "0.65")] == [None, 1, 1, 0.65]
    for word in ("0", "-0.5", "1.1", "nan", "half", "70%"):
        with pytest.raises(ValueError):
            spec.parse(word)
    assert isinstance(spec.help, Text) and math.isclose(GRID[-1], 1.0)


def test_a_dose_beyond_the_trained_strength_is_refused_in_words(identity_file: Path) -> None:
    done = within("check", "--model", "pocket", "--dataset", identity_file, "--adapter_dose",
                    "1.5", "--json")  # fmt: skip
    assert done.returncode == 2 and "C002" in codes(done)


def test_grid_steps_are_even_and_every_dose_is_as_it_is_typed() -> None:
    assert [f"{dose:g}" for dose in dosing.GRID] == [f"{n / 10:g}" for n in range(3, 11)]
