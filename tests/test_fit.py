"""When a run evaluates, saves and stops: real updates of one layer of the pocket model, by a plan;
what the probes say after each is given."""

from __future__ import annotations

import errno
import math
import signal
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from conftest import write_rows
from shallow import shallow_pocket
from suretune import rundir
from suretune.config import Resolved
from suretune.events import Event, Updated
from suretune.model.memory import shape_of
from suretune.preflight import machine
from suretune.preflight.check import check
from suretune.record.journal import Journal, Stopped
from suretune.run import fit
from suretune.run.fit import Interrupted
from suretune.run.state import Fit
from suretune.train.adamw_8bit import WholeAdamW8
from suretune.train.checkpoint import SNAPSHOT, STATE
from suretune.train.flat_adamw import FlatAdamW
from suretune.train.whole_adamw import WholeAdamW
from suretune.tuning.full import ADAMW_8BIT
from suretune.types import Evaluation, Text
from test_effects import ROWS

WHOLE, FAILS = (10, True), (4, False)


class Judge:
    """Says what was given: after which update how many of ten probes pass, and if it is proven."""

    def __init__(self, found: Mapping[int, tuple[int, bool]]) -> None:
        self.found, self.asked = found, list[int]()
        self.signals: list[int] | None = None

    def look(self, _: object, step: int, held_out: float | None) -> Evaluation:
        self.asked.append(step)
        if self.signals is not None:
            self.signals.append(signal.SIGTERM)
        passed, proven = self.found.get(step, FAILS)
        drift = 0.1 + step / 1000  # later ones are no better by being nearer to the base
        if not passed:  # questions that are only shown
            return Evaluation(step, held_out)
        return Evaluation(step, held_out, passed, 10, drift=drift, proven=proven)


def job_of(
    folder: Path,
    found: Mapping[int, tuple[int, bool]] | None = None,
    probes: tuple[int, ...] = (),
    **options: Any,
) -> Fit:
    """A run of six updates of two rows each, as `sft` puts it together."""
    told = {"max_steps": 6, "split_dataset_ratio": 0.0, "save_steps": 6, **options}
    asked = Resolved.default().with_values(
        "flag", model=str(shallow_pocket(1).folder), device="cpu", until_proven=False,
        gradient_accumulation_steps=2, anchor_ratio=0.0,
        dataset=(str(write_rows(folder / "rows.jsonl", ROWS)),), **told,
    )  # fmt: skip
    journal = Journal()
    checked = check(asked, journal)
    resolved, device = fit.choose_hardware(checked.resolved, journal)
    plan = replace(checked.plan, probe_steps=probes)
    checked = replace(checked, resolved=resolved, plan=plan)
    journal.run = folder / "run"
    journal.run.mkdir()
    rundir.write_json(journal.run / "run.json", {"settles": 0})
    dtype, targets = resolved.config.model.torch_dtype or "", resolved.config.lora.target_modules
    base = fit.open_base(checked.base, dtype, device, targets, journal)
    learner = fit.make_learner(base, checked, journal)
    judge: Any = Judge(found or {})
    return fit.make_fit(checked, journal.run, journal, learner, judge)


def updates(job: Fit) -> list[int]:
    path = job.run / "steps.jsonl"
    return [line["step"] for line in rundir.read_jsonl(path)] if path.exists() else []


def saved(job: Fit) -> list[int]:
    return [step for step, _ in rundir.checkpoints(job.run)]


def events(job: Fit) -> dict[str, Any]:
    return {line["event"]: line for line in rundir.read_jsonl(job.run / "events.jsonl")}


def test_it_evaluates_and_saves_where_the_plan_says_so(tmp_path: Path) -> None:
    """Held-out rows before the first update, too; what is evaluated is saved with it."""
    job = job_of(tmp_path, eval_steps=4, save_steps=3, split_dataset_ratio=0.25)
    fit.fit(job)
    assert [found.step for found in job.evals] == [0, 4, 6]
    assert all(found.held_out_loss is not None and not found.asked for found in job.evals)
    assert updates(job) == [1, 2, 3, 4, 5, 6] and saved(job) == [3, 4, 6]
    assert rundir.pointed(job.run, "last").name == "step-000006"
    assert job.stopped_early is None and "stopped-early" not in events(job)
    assert 0 <= events(job)["trained"]["seconds"] < 600
    back = [(path / SNAPSHOT).exists() for _, path in rundir.checkpoints(job.run)]
    assert back == [True, True, False]  # nothing goes back behind the end
    assert "plain-engine" not in str(job.journal.findings)  # of a card alone is that told


def test_without_held_out_rows_or_probes_nothing_is_evaluated(tmp_path: Path) -> None:
    job = job_of(tmp_path)
    fit.fit(job)
    assert job.evals == [] and updates(job) == [1, 2, 3, 4, 5, 6] and saved(job) == [6]


def test_questions_that_prove_nothing_are_no_evaluation(tmp_path: Path) -> None:
    job = job_of(tmp_path, {2: (0, False)}, (2, 6))
    fit.fit(job)
    assert [found.step for found in job.evals] == saved(job) == [6]


def test_probes_are_asked_where_held_out_rows_are_not_due(tmp_path: Path) -> None:
    job = job_of(tmp_path, {2: (9, True)}, (2, 6), eval_steps=3, split_dataset_ratio=0.25)
    fit.fit(job)
    assert job.judge.asked == [2, 6]  # type: ignore[attr-defined]
    assert [(e.step, e.held_out_loss is not None, e.asked) for e in job.evals] == [
        (0, True, 0), (2, False, 10), (3, True, 0), (6, True, 10),
    ]  # fmt: skip
    assert saved(job) == [2, 3, 6]  # the second as it is the best so far


def test_what_passes_is_saved_and_asked_again_when_the_rate_has_fallen(tmp_path: Path) -> None:
    """Not in between; passed twice, it is over, unless that is the plan's end anyway."""
    every = tuple(range(1, 7))
    job = job_of(tmp_path, {2: WHOLE, 6: WHOLE}, every)
    fit.fit(job)
    assert job.judge.asked == [1, 2, 6]  # type: ignore[attr-defined]
    assert saved(job) == [2, 6] and job.stopped_early is None


@pytest.mark.parametrize("patience", [None, 9])
def test_before_a_run_can_be_proven_it_is_asked_now_and_then(
    tmp_path: Path, patience: int | None
) -> None:
    """One time in four, and at the end; every time where patience counts them."""
    every = tuple(range(1, 13))
    given = {"early_stopping_patience": patience} if patience else {}
    job = job_of(
        tmp_path,
        {8: (9, False)},
        every,
        max_steps=12,
        split_dataset_ratio=0.25,
        eval_steps=12,
        **given,
    )
    job.settles = 10
    fit.fit(job)
    asked = job.judge.asked  # type: ignore[attr-defined]
    assert asked == (list(every) if patience else [4, 8, 10, 11, 12])


def test_a_run_that_is_over_before_it_could_be_proven_is_asked_at_its_end(tmp_path: Path) -> None:
    job = job_of(tmp_path, {4: WHOLE, 6: WHOLE}, tuple(range(1, 7)))
    job.settles = 80
    fit.fit(job)
    assert job.judge.asked == [4, 6]  # type: ignore[attr-defined]
    assert saved(job) == [4, 6] and updates(job) == [1, 2, 3, 4, 5, 6]


def test_probes_that_pass_twice_end_a_run(tmp_path: Path) -> None:
    every = tuple(range(1, 31))
    job = job_of(
        tmp_path, {1: WHOLE, **dict.fromkeys(every[1:], WHOLE)}, every, max_steps=30, save_steps=30
    )
    fit.fit(job)
    first, last = job.judge.asked  # type: ignore[attr-defined]
    assert first == 1 < last < 30 and updates(job)[-1] == last and saved(job) == [first, last]
    assert job.stopped_early is not None
    assert f"after update 1, and again after update {last}" in job.stopped_early.en
    assert (events(job)["stopped-early"]["step"], events(job)["stopped-early"]["why"]) == (
        last, job.stopped_early.en,
    )  # fmt: skip


@pytest.mark.parametrize(("patience", "last"), [(2, 3), (4, 5), (None, 6)])
def test_a_run_that_gets_no_better_ends_when_patience_does(
    patience: int | None, last: int, tmp_path: Path
) -> None:
    """Nothing passes: without patience it goes on, as what is not proven may still be."""
    given = {} if patience is None else {"early_stopping_patience": patience}
    job = job_of(tmp_path, probes=tuple(range(1, 7)), split_dataset_ratio=0.25, eval_steps=1,
                 **given)  # fmt: skip
    fit.fit(job)
    assert updates(job)[-1] == last and (job.stopped_early is None) == (last == 6)
    if job.stopped_early:
        assert job.stopped_early.en == f"{patience} evaluations no better than update 1's"


@pytest.mark.parametrize("best", [(9, True), (9, False)])
def test_what_is_proven_settles_after_four_evaluations_no_better(
    best: tuple[int, bool], tmp_path: Path
) -> None:
    job = job_of(tmp_path, {1: best}, tuple(range(1, 9)), max_steps=8, save_steps=8)
    fit.fit(job)
    assert updates(job)[-1] == (5 if best[1] else 8)


def test_before_an_update_by_which_a_wide_model_has_settled_it_does_not(tmp_path: Path) -> None:
    """Four times nothing was better than update 4, after update 20 already."""
    job = job_of(tmp_path, {4: (9, True)}, tuple(range(1, 27)), max_steps=26, save_steps=26)
    job.settles = 24
    fit.fit(job)
    assert job.judge.asked == [4, 8, 12, 16, 20, 24]  # type: ignore[attr-defined]
    assert updates(job)[-1] == 24


def test_a_budget_that_is_spent_ends_a_run_at_its_next_update(tmp_path: Path) -> None:
    job = job_of(tmp_path)
    job.deadline = -math.inf
    fit.fit(job)
    assert updates(job) == saved(job) == [1]
    assert job.stopped_early is not None and job.stopped_early.en == "the budget is spent"


def test_a_signal_is_acted_on_when_the_update_is_saved(tmp_path: Path) -> None:
    job = job_of(tmp_path, probes=(2, 6))
    job.judge.signals = job.signals  # type: ignore[attr-defined]
    with pytest.raises(Interrupted) as stopped:
        fit.fit(job)
    assert stopped.value.status == 128 + 15 and updates(job) == [1, 2]
    assert [(2, stopped.value.saved)] == rundir.checkpoints(job.run)


def test_a_run_goes_on_behind_what_is_done_and_asks_nothing_twice(tmp_path: Path) -> None:
    job = job_of(tmp_path, split_dataset_ratio=0.25, eval_steps=3)
    fit.fit(job, 2)
    assert updates(job) == [3, 4, 5, 6] and [found.step for found in job.evals] == [3, 6]


@pytest.mark.parametrize(("done", "trained"), [(2, []), (0, [1]), (6, [])])
def test_who_was_killed_behind_its_last_save_trains_no_further(
    done: int, trained: list[int], tmp_path: Path
) -> None:
    """Only where something was done, and something would be left to do."""
    job = job_of(tmp_path)
    job.deadline = -math.inf
    fit.fit(job, done)
    assert updates(job) == trained and (job.stopped_early is None) == (done == 6)


def test_the_share_of_the_devices_rate_is_told_with_every_update(tmp_path: Path) -> None:
    job, heard = job_of(tmp_path), list[Event]()
    job.rate = 1e9
    job.journal.join(SimpleNamespace(on=heard.append))
    fit.fit(job)
    told = [event for event in heard if isinstance(event, Updated)]
    assert len(told) == 6
    for event in told:
        record = event.record
        flops = shape_of(job.checked.base.text, 2).flops(record.tokens, record.learned)
        assert event.share_of_limit == round(flops / record.seconds / 1e9, 4)


# --- before and behind the updates ----------------------------------------------------------------


def chosen(**options: Any) -> Resolved:
    return fit.choose_hardware(Resolved.default().with_values("flag", **options), Journal())[0]


def test_device_and_precision_are_chosen_where_they_are_not_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    found = {name: (value, origin) for name, value, origin in chosen().items()}
    assert found["device"] == ("cpu", "auto: no GPU")
    assert found["torch_dtype"] == ("float32", "auto: no GPU")
    both = chosen(device="cpu", bf16=True)
    asked = {name: (value, origin) for name, value, origin in both.items()}
    assert asked["device"] == ("cpu", "flag")
    assert asked["torch_dtype"] == ("bfloat16", "flag: --bf16 / --fp16")
    told = {name: origin for name, _, origin in chosen(torch_dtype="float32").items()}
    assert told["torch_dtype"] == "flag"


@pytest.mark.parametrize("options", [{"recompute": "mlp"}, {}])
def test_what_is_recomputed_is_as_asked(options: dict[str, Any]) -> None:
    engine = chosen(device="cpu", gradient_checkpointing=True, **options).config.engine
    assert engine.recompute == options.get("recompute", "layer")
    assert chosen(device="cpu", **options).config.engine.recompute == options.get("recompute")
    never = chosen(device="cpu", gradient_checkpointing=False).config.engine
    assert never.recompute == "none"


def test_what_only_a_card_does_is_refused_without_one() -> None:
    with pytest.raises(Stopped, match="no-effect"):
        chosen(device="cpu", memory_limit="8GiB")


@pytest.mark.parametrize("updates", [6, 20])
@pytest.mark.parametrize(
    ("options", "kind", "most"),
    [({}, FlatAdamW, 1.1), ({"tuner": "full"}, WholeAdamW, 1.25),
     ({"tuner": "full", "optim": ADAMW_8BIT}, WholeAdamW8, 1.25)],
)  # fmt: skip
def test_the_disk_has_to_have_room_for_what_a_run_writes(
    options: dict[str, Any], kind: type, most: float, updates: int, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Hardly more than that: early checkpoints have less to go back to, and the values of a base in
    float32 are counted twice."""
    job = job_of(tmp_path, max_steps=updates, save_steps=updates // 2 - 1, **options)
    assert type(job.learner.adapters) is kind
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda _: SimpleNamespace(free=0))
    short = fit.no_room(job.checked, job.run, job.learner)
    assert short and isinstance(short.found, Text) and short.found.en.endswith(" MiB needed")
    needed = float(short.found.en.split()[-3]) * machine.MIB - machine.OWN
    fit.fit(job)
    files = [path for path in (job.run / "checkpoints").rglob("*") if path.is_file()]
    made = [path for path in rundir.checkpoints(job.run)[-1][1].iterdir() if path.name not in STATE]
    written = sum(path.stat().st_size for path in (*files, *made))
    assert 0.97 < needed / written < most, "but for lists and generators, which are small"


def test_the_devices_rate_is_measured_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = {torch.float32: 1e12, torch.bfloat16: 123.456e12}
    monkeypatch.setattr(fit, "matrix_rate", lambda _, dtype: measured[dtype])
    job = job_of(tmp_path, bf16=True)
    assert job.rate == 123.456e12 and events(job)["device"]["matrix_tflops"] == 123.5


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EPERM])
def test_a_disk_that_is_full_is_a_stop_and_any_other_fault_is_none(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = job_of(tmp_path)
    (job.run / "config.yaml").touch()

    def write(*_: object, **__: object) -> None:
        raise OSError(number, "no")

    monkeypatch.setattr(fit.checkpoint, "save", write)
    with pytest.raises(Stopped if number == errno.ENOSPC else OSError):
        fit.save(job, 1)
