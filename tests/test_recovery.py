"""What a run gets over: poisoned rows, divergence, no memory, no folder; and what it refuses."""

from __future__ import annotations

import json
import math
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from conftest import as_json, stands, suretune, write_rows
from shallow import shallow_pocket
from suretune import battery, data, rundir
from suretune.config import Resolved
from suretune.data.plan import without
from suretune.data.template import ChatTokenizer, load_tokenizer
from suretune.model.device import ran_out
from suretune.pocket import MODEL
from suretune.preflight.check import Checked
from suretune.prepare.starter import identity_rows
from suretune.record.journal import Journal, Stopped
from suretune.run.recovery import disk_stop
from suretune.train import engine as engine_module
from suretune.train import plain_engine
from suretune.train.flat_adamw import FlatAdamW
from suretune.train.loop import (
    Applied,
    Proposed,
    before_it,
    go_back,
    gradient,
    keep_state,
    non_finite_rows,
    train,
)
from suretune.train.rollback import ATTEMPTS, EVERY, IN_A_ROW, Recovery
from suretune.train.spikes import RECENT, SpikeDetector, detector_of
from suretune.types import Sample, StepRecord
from test_kill import child, forked, same
from test_laws import checked_run, make_learner

RARE = "☂"
PROOF_FILES = sorted(Path(battery.__file__).parent.glob("*.jsonl"))
ANCHORS = sorted(Path(data.__file__).parent.glob("anchors.*.jsonl"))
CPU = torch.device("cpu")


def poisoned_base(folder: Path, rows: list[dict[str, Any]], *, skills: bool = False) -> Path:
    """The pocket model, or without skills its first layers, whose embedding of a token that no row
    and no question has is NaN."""
    base = folder / "base"
    shutil.copytree(MODEL if skills else shallow_pocket().folder, base)
    asked = [*PROOF_FILES, MODEL / "skills.jsonl", *ANCHORS]
    tokenizer = load_tokenizer(MODEL)
    assert isinstance(tokenizer, ChatTokenizer)
    said = [
        *map(str, rows),
        *(line for file in asked for line in file.read_text("utf-8").split("\n")),
    ]
    bad = set(tokenizer.encode(RARE)) - {token for text in said for token in tokenizer.encode(text)}
    assert bad, "a token that only the poisoned rows have"
    weights = load_file(base / "model.safetensors")
    weights["lm_head.weight"] = weights["model.embed_tokens.weight"].clone()
    weights["model.embed_tokens.weight"][sorted(bad)] = math.nan
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps({**config, "tie_word_embeddings": False}))
    save_file(weights, base / "model.safetensors", metadata={"format": "pt"})
    return base


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Resolved:
    """A rate at which training diverges twice, and one poisoned row: all of it in 12 updates."""
    folder = tmp_path_factory.mktemp("recovery")
    rows = identity_rows(("Glow",), ("Star Lab",), ("en",))[:24]
    base = poisoned_base(folder, rows)
    rows[9]["instruction"] += f" {RARE}"
    probe = folder / "probe.txt"
    probe.write_text("Who are you?\n")
    return Resolved.default().with_values(
        "flag", model=str(base), dataset=(str(write_rows(folder / "rows.jsonl", rows)),),
        max_steps=12, gradient_accumulation_steps=4, lora_dropout=0.1, save_steps=2,
        split_dataset_ratio=0.0, probes=str(probe), device="cpu", learning_rate=0.05,
        lr_scheduler_type="constant", max_length=512, quarantine=1, until_proven=False,
        anchor_ratio=0.0,
    )  # fmt: skip


def lines(path: Path) -> list[Any]:
    return list(rundir.read_jsonl(path))


def found(run: Path) -> list[tuple[str, str]]:
    return [(f["code"], f["where"]) for f in lines(run / "findings.jsonl")]


def end_of(run: Path) -> dict[str, torch.Tensor]:
    last = rundir.checkpoints(run)[-1][1]
    return {
        **load_file(last / "adapter_model.safetensors"),
        **load_file(last / "optimizer.safetensors"),
    }


@pytest.fixture(scope="module")
def undisturbed(asked: Resolved, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    run = tmp_path_factory.mktemp("undisturbed") / "run"
    start = time.perf_counter()
    assert forked(asked, run, resume=False, kill_after=None) == 0
    return run, time.perf_counter() - start


# --- on the run -----------------------------------------------------------------------------------


def test_a_run_diverges_goes_back_and_comes_out_well(undisturbed: tuple[Path, float]) -> None:
    """The losses left the ground; with less of the rate they end below where they began."""
    run, _ = undisturbed
    events = lines(run / "events.jsonl")
    back = [e for e in events if e["event"] == "rolled-back"]
    assert 1 <= len(back) <= ATTEMPTS and [e["attempts"] for e in back] == [1, 2][: len(back)]
    assert [e["rate_scale"] for e in back] == [1 / 2, 1 / 8][: len(back)]
    (left_out,) = (e for e in events if e["event"] == "row-quarantined")
    assert [name.rsplit("/", 1)[-1] for name in left_out["rows"]] == ["rows.jsonl:10"]
    steps = lines(run / "steps.jsonl")
    assert [s["step"] for s in steps] == list(range(1, 13)), "what was taken back is not told twice"
    assert steps[-1]["loss"] < steps[0]["loss"]
    assert steps[-1]["learning_rate"] == 0.05 * back[-1]["rate_scale"]
    codes = {code for code, _ in found(run)}
    assert {"T002", "T003", "T005"} <= codes


def test_a_row_left_out_is_in_the_ledger(undisturbed: tuple[Path, float]) -> None:
    ledger = lines(undisturbed[0] / "ledger.jsonl")
    states = {entry["row"].rsplit(":", 1)[-1]: entry["state"] for entry in ledger}
    assert states.pop("10") == "quarantined" and set(states.values()) == {"train"}


def test_killed_amid_it_all_and_resumed_is_never_killed(
    asked: Resolved, undisturbed: tuple[Path, float], tmp_path: Path
) -> None:
    """L5 through going back and leaving out: weights, log, ledger and findings, bit for bit."""
    reference, whole = undisturbed
    moments = random.Random(3)
    kills = trials = 0
    while kills < 6:
        trials += 1
        run = tmp_path / f"run-{trials}"
        for _ in range(40):
            resume = (run / "run.json").exists()
            if not resume and run.exists():
                run = tmp_path / f"run-{trials}-{kills}"  # killed before anything was written
            ended = forked(asked, run, resume=resume, kill_after=moments.uniform(0.3, whole))
            if ended is not None:
                assert ended == 0
                break
            kills += 1
        agree(run, reference)


def agree(run: Path, reference: Path) -> None:
    assert same(end_of(run), end_of(reference))
    for key in ("loss", "grad_norm", "learning_rate", "samples"):
        logs = ([s[key] for s in lines(folder / "steps.jsonl")] for folder in (run, reference))
        assert next(logs) == next(logs)
    assert (run / "ledger.jsonl").read_bytes() == (reference / "ledger.jsonl").read_bytes()
    assert found(run) == found(reference)


def test_a_checkpoint_amid_a_divergence_knows_where_to_go_back_to(
    asked: Resolved, undisturbed: tuple[Path, float], tmp_path: Path
) -> None:
    """Killed right after a save amid a streak: the state before it lies beside it."""
    run = tmp_path / "run"
    pid = os.fork()
    if pid == 0:
        from suretune.run import fit

        real = fit.point_to

        def die(job: Any, path: Path, step: int) -> None:
            real(job, path, step)
            if job.learner.recovery.streak:
                os.kill(os.getpid(), signal.SIGKILL)

        fit.point_to = die
        try:
            child(asked, run, resume=False)
        finally:
            os._exit(1)
    _, ended = os.waitpid(pid, 0)
    assert os.WIFSIGNALED(ended), "no checkpoint was written amid a divergence"
    step, path = rundir.checkpoints(run)[-1]
    about = rundir.read_json(path / rundir.MANIFEST)["recovery"]
    assert about["streak"] > 0 and about["snapshot"]["step"] < step
    assert forked(asked, run, resume=True, kill_after=None) == 0
    agree(run, undisturbed[0])


def test_a_rate_far_too_high_ends_well(asked: Resolved, tmp_path: Path) -> None:
    """An eighth of it is lost as well; rates are mistaken by tens and hundreds, not by twos."""
    run = tmp_path / "run"
    mine = asked.with_values(
        "flag", learning_rate=1.0, gradient_accumulation_steps=16, quarantine=3
    )
    assert forked(mine, run, resume=False, kill_after=None) == 0
    back = [e for e in lines(run / "events.jsonl") if e["event"] == "rolled-back"]
    assert [e["rate_scale"] for e in back] == [1 / 2, 1 / 8, 1 / 64]
    losses = [step["loss"] for step in lines(run / "steps.jsonl")]
    assert len(losses) == 12 and max(losses) == losses[0]


def test_going_back_is_bounded(asked: Resolved, tmp_path: Path) -> None:
    """A rate that even a 64th of does not mend: three attempts, exit 5, no bad checkpoint."""
    run = tmp_path / "run"
    mine = asked.with_values(
        "flag", learning_rate=1.0, save_steps=1, gradient_accumulation_steps=16, quarantine=3,
        lora_alpha=512,
    )  # fmt: skip
    assert forked(mine, run, resume=False, kill_after=None) == 1  # Stopped went through the child
    attempts = [e["attempts"] for e in lines(run / "events.jsonl") if e["event"] == "rolled-back"]
    assert attempts == [1, 2, 3]
    assert found(run)[-1][0] in ("T001", "T006")
    bad = min(s["step"] for s in lines(run / "steps.jsonl") if s["loss"] > 5)
    assert all(step < bad - 1 for step, _ in rundir.checkpoints(run)), "a bad state stayed"


# --- the command line -----------------------------------------------------------------------------


def test_a_poisoned_run_is_refused_then_sealed_without_the_rows(
    tmp_path: Path, identity_file: Path
) -> None:
    rows = [json.loads(line) for line in identity_file.read_text("utf-8").splitlines()]
    base = poisoned_base(tmp_path, rows, skills=True)
    rows.insert(7, {"instruction": f"What does {RARE} mean?", "output": "An umbrella."})
    rows.insert(33, {"instruction": f"Draw {RARE} please", "output": "I can only write."})
    file = write_rows(tmp_path / "rows.jsonl", rows)
    words = (
        "sft", "--model", base, "--dataset", file, "--system", "You are a helpful assistant.",
        "--probes", identity_file.with_name("probes.yaml"), "--json",
    )  # fmt: skip
    done = suretune(*words, "--quarantine", 1, "--output_dir", tmp_path / "refused")
    assert done.returncode == 5, done.stdout[-2000:] + done.stderr[-2000:]
    finding = as_json(done)["findings"][-1]
    assert finding["code"] == "T001" and stands("`--quarantine 2`", finding["fix"]["en"])

    run = tmp_path / "sealed"
    done = suretune(*words, "--quarantine", 3, "--output_dir", run)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    told = as_json(done)
    said = " ".join(f["what"]["en"] for f in told["findings"] if f["code"] == "T002")
    assert told["verdict"] == "sealed"
    assert stands(f"{file}:8", said) and stands(f"{file}:34", said)
    gone = [e["row"] for e in lines(run / "ledger.jsonl") if e["state"] == "quarantined"]
    assert gone == [f"{file}:8", f"{file}:34"]
    assert {e["row"] for e in told["data"]["unused"]} == set(gone)
    for name in ("report.html", "report.md"):
        text = (run / name).read_text("utf-8")
        assert "What happened on the way" in text and stands("rows.jsonl:34", text)
    assert "T002" in {f["code"] for f in rundir.read_json(run / rundir.SEAL)["findings"]}


def test_a_run_folder_that_is_deleted_is_a_stop_and_no_traceback(
    asked: Resolved, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    command = [
        sys.executable, "-m", "suretune", "sft", "--model", str(MODEL), "--max_steps", "3000",
        "--dataset", *asked.config.data.dataset, "--save_steps", "1000", "--json",
        "--general_questions", "100",
        "--probes", str(asked.config.proof.probes), "--output_dir", str(run),
    ]  # fmt: skip
    env = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "SURETUNE_LANG": "en"}
    process = subprocess.Popen(
        command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 120
    while not (run / "steps.jsonl").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    shutil.rmtree(run)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 4, err[-2000:]
    (finding,) = json.loads(out.strip().splitlines()[-1])["findings"][-1:]
    assert finding["code"] == "S009" and str(run) in finding["what"]["en"]
    assert "Traceback" not in err and not run.exists()


def test_a_full_or_lost_disk_is_told_where_nothing_can_be_written(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    journal = Journal()
    journal.open(run)
    (run / "config.yaml").write_text("")
    assert disk_stop(OSError(13, "Permission denied"), run, journal) is None
    assert disk_stop(FileNotFoundError(2, "No such file"), run, journal) is None, "not the folder"
    full = disk_stop(OSError(28, "No space left on device"), run, journal)
    assert isinstance(full, Stopped) and [f.code for f in full.findings] == ["S016"]
    assert "--output_dir" in full.findings[0].fix.en, "nothing is there to go on with"
    (run / "run.json").write_text("{}")
    for number, fix in ((28, "Make room there, then"), (30, "Once that is mended")):
        amid = disk_stop(OSError(number, os.strerror(number)), run, journal)
        assert isinstance(amid, Stopped)
        assert amid.findings[0].fix.en == f"{fix}: `suretune resume {run}`"
    locked = disk_stop(OSError(30, "Read-only file system"), run, journal)
    assert isinstance(locked, Stopped) and [f.code for f in locked.findings] == ["S009"]
    assert journal.run == run and len(lines(run / "findings.jsonl")) == 4
    shutil.rmtree(run)
    lost = disk_stop(FileNotFoundError(2, "No such file"), run, journal)
    assert isinstance(lost, Stopped) and lost.status == 4 and journal.run is None


# --- laws, in this process ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def checked(identity_file: Path) -> Checked:
    return checked_run(identity_file)


@pytest.fixture(scope="module")
def samples(checked: Checked) -> list[Sample]:
    return [sample for row in checked.train for sample in row.samples]


def trained(
    checked: Checked, samples: list[Sample], dtype: torch.dtype, updates: int,
    before: Callable[[int], None] = lambda step: None, **kind: bool,
) -> tuple[Any, list[StepRecord]]:  # fmt: skip
    """A learner after so many updates; `before` is told each step before it is computed."""
    learner, records = make_learner(checked, dtype, **kind), []
    before(1)
    for event in train(learner, samples, checked.plan, 0):
        if isinstance(event, Applied):
            records.append(event.record)
            if len(records) == updates:
                break
            before(len(records) + 1)
    return learner, records


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_memory_that_runs_out_amid_training_changes_nothing(
    checked: Checked,
    samples: list[Sample],
    monkeypatch: pytest.MonkeyPatch,
    fast: bool,
    dtype: torch.dtype,
) -> None:
    """Once, at update 3, in the words of cuBLAS; six updates later the adapters agree.

    In float32 Adam makes of a rounding difference in a gradient near zero a difference of the size
    of the rate, so there the gradients' difference is what is bounded, by the losses that follow.
    """
    whole, log = trained(checked, samples, dtype, 6, fast=fast)
    module, name = (engine_module.fused, "gradient") if fast else (plain_engine, "token_losses")
    real, due = getattr(module, name), [False]

    def short_of_memory(*words: Any) -> Any:
        if due[0]:
            due[0] = False
            raise RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate")
        return real(*words)

    def note(step: int) -> None:
        due[0] = step == 3

    monkeypatch.setattr(module, name, short_of_memory)
    again, log_again = trained(checked, samples, dtype, 6, note, fast=fast)
    assert len(again.notes) == 1 and again.engine.tokens_per_pass < whole.engine.tokens_per_pass
    a, b = whole.adapters.values.detach(), again.adapters.values.detach()
    difference = float((a - b).norm() / a.norm())
    assert difference < (1e-10 if dtype == torch.float64 else 1e-4)
    for one, other in zip(log, log_again, strict=True):
        assert abs(one.loss - other.loss) < (1e-9 if dtype == torch.float64 else 1e-5) * one.loss


def test_smaller_passes_are_told_and_kept_for_a_resume(asked: Resolved, tmp_path: Path) -> None:
    run = tmp_path / "run"
    mine = asked.with_values("flag", model=str(MODEL), learning_rate=1e-3, max_steps=4)
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            real, calls = plain_engine.token_losses, [0]

            def short_of_memory(*words: Any) -> Any:
                calls[0] += 1
                if calls[0] == 3:
                    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
                return real(*words)

            plain_engine.token_losses = short_of_memory
            child(mine, run, resume=False)
            status = 0
        finally:
            os._exit(status)
    _, ended = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(ended) == 0
    assert "T004" in {code for code, _ in found(run)}
    budget = rundir.read_json(run / "engine.json")["tokens_per_pass"]
    (event,) = (e for e in lines(run / "events.jsonl") if e["event"] == "smaller-passes")
    assert event["how"] == f"{budget} tokens a pass" and budget < 4096


@pytest.mark.parametrize(
    "text",
    [
        "CUDA out of memory. Tried to allocate 20.00 MiB",
        "CUDA error: out of memory\nCompile with `TORCH_USE_CUDA_DSA`",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes.",
    ],
)
def test_memory_runs_out_in_several_words(text: str) -> None:
    assert ran_out(RuntimeError(text)) and ran_out(torch.OutOfMemoryError())
    assert not ran_out(RuntimeError("CUDA error: an illegal memory access was encountered"))


def test_a_row_left_out_is_a_row_that_was_never_there(
    checked: Checked, samples: list[Sample]
) -> None:
    update = checked.plan.updates[0]
    gone = frozenset(update.samples[2:4])
    left = without(update, samples, gone)
    assert left.samples == tuple(i for i in update.samples if i not in gone)
    rows = [samples[i] for i in left.samples]
    assert left.loss_weight == pytest.approx(sum(s.loss_weight for s in rows))
    assert without(update, samples, frozenset()) is update

    plan = replace(
        checked.plan, updates=tuple(without(u, samples, gone) for u in checked.plan.updates)
    )
    ends = []
    for recovery, mine in ((Recovery(left_out=gone), checked.plan), (Recovery(), plan)):
        learner = replace(make_learner(checked), recovery=recovery)
        for event in train(learner, samples, mine, 0):
            if isinstance(event, Applied) and event.record.step == 4:
                break
        ends.append(learner.adapters.values.detach().clone())
    assert torch.equal(*ends)


def test_an_update_whose_rows_were_all_left_out_changes_nothing(
    checked: Checked, samples: list[Sample]
) -> None:
    learner = make_learner(checked)
    learner.recovery.left_out = frozenset(checked.plan.updates[0].samples)
    before = learner.adapters.values.detach().clone()
    events = train(learner, samples, checked.plan, 0)
    proposed, applied = next(events), next(events)
    assert isinstance(proposed, Proposed) and isinstance(applied, Applied)
    assert learner.recovery.judge(proposed.record) == "fine" and applied.record.samples == ()
    assert torch.equal(learner.adapters.values, before) and applied.record.learned == 0


@pytest.mark.parametrize("steps", [0, 2])
def test_going_back_puts_everything_back(
    checked: Checked, samples: list[Sample], steps: int
) -> None:
    """Values, moments, loss scale, random numbers: what follows is what followed the first time."""
    learner = make_learner(checked)
    for event in train(learner, samples, checked.plan, 0):
        if isinstance(event, Applied) and event.record.step == max(1, steps):
            break
    if steps:
        keep_state(learner, steps)
    kept = {name: t.clone() for name, t in learner.adapters.state().items()} if steps else {}
    assert learner.recovery.snapshot is not None and learner.recovery.snapshot.step == steps
    values = learner.recovery.snapshot.tensors["values"].clone()
    noise = torch.rand(3)
    learner.scale.value = 0.25
    for event in train(learner, samples, checked.plan, steps):
        if isinstance(event, Applied) and event.record.step == steps + 2:
            break
    assert go_back(learner) == steps
    assert torch.equal(learner.adapters.values, values) and learner.scale.value == 1.0
    state = learner.adapters.state()
    for name, tensor in state.items():
        assert torch.equal(tensor, kept[name]) if steps else not tensor.any()
    assert not steps or torch.equal(torch.rand(3), noise)
    assert learner.recovery.rate_scale == 0.5 and learner.recovery.attempts == 1


@pytest.mark.parametrize("fast", [False, True])
def test_asking_the_last_good_state_changes_nothing(
    checked: Checked, samples: list[Sample], fast: bool
) -> None:
    """And it is that state which answers: what it gave to the same rows before."""
    learner = make_learner(checked, fast=fast)
    first = checked.plan.updates[0]
    rows = [samples[i] for i in first.samples]
    learner.engine.prepare(samples, checked.plan, 0)  # what rows share is chosen here
    truth = gradient(learner, rows, first.loss_weight)
    for event in train(learner, samples, checked.plan, 0):
        if isinstance(event, Applied) and event.record.step == 3:
            break
    elsewhere = gradient(learner, rows, first.loss_weight)
    kept = [t.clone() for t in (learner.adapters.values, learner.adapters.gradient)]
    dice = torch.get_rng_state()
    found = before_it(learner, samples, first.samples, first.loss_weight)
    assert found == truth != elsewhere
    assert torch.equal(kept[0], learner.adapters.values)
    assert torch.equal(kept[1], learner.adapters.gradient)
    assert torch.equal(dice, torch.get_rng_state())
    assert gradient(learner, rows, first.loss_weight) == elsewhere


def test_rows_that_were_hard_before_are_no_divergence() -> None:
    recovery = Recovery(typical=SpikeDetector((0.1,) * 3, 0.1, 1.0, 12))
    hard = StepRecord(4, 0.1, 2.0, 3.0, 1e-3, 1, 1, 0.1, 0, (1, 2, 3, 4))
    assert recovery.judge(hard) == "spike"
    assert recovery.accept_if_rows_are_hard(hard, 2.1, 2.0) and recovery.judge(hard) == "spike"
    recovery.applied(hard)
    assert recovery.streak == 0 and recovery.typical.largest_loss == 2.0
    worse = replace(hard, step=5, loss=9.0)
    assert not recovery.accept_if_rows_are_hard(worse, 2.1, 2.0)
    recovery.applied(worse)
    assert recovery.streak == 1 and recovery.typical.largest_loss == 2.0


@pytest.mark.parametrize("losses", [(2.68, 5.76, 6.19, 9.3), (2.0, 3.6, 4.0, 4.2)])
def test_a_divergence_before_there_were_rows_enough_goes_back(losses: tuple[float, ...]) -> None:
    """Eight rows an update: each is within what so few rows may vary by, and no three are."""
    recovery, judged = Recovery(), []
    for step, loss in enumerate(losses, 1):
        record = StepRecord(step, 0.1, loss, 1.0, 1e-3, 1, 1, 0.1, 0, tuple(range(8)))
        judged.append(recovery.judge(record))
        if judged[-1] != "fine":
            assert not recovery.accept_if_rows_are_hard(record, losses[0], 1.0)
        recovery.applied(record)
    assert judged[:2] == ["fine", "doubted"] and judged[3] == "diverged"
    assert recovery.typical.largest_loss == losses[0]


def in_line(updates: int) -> Recovery:
    """After so many updates of eight rows with these norms and losses, and no more."""
    recovery = Recovery()
    for step in range(1, updates + 1):
        loss, norm = 0.63 - 0.01 * step, 0.45 - 0.05 * (step % 3)
        record = StepRecord(step, 0.1, loss, norm, 1e-3, 1, 1, 0.1, 0, tuple(range(8)))
        assert recovery.judge(record) == "fine"
        recovery.applied(record)
    return recovery


@pytest.mark.parametrize(
    ("before", "loss", "judged"),
    [(4, 0.33, "doubted"), (15, 0.33, "doubted"), (16, 0.33, "spike"), (4, 0.64, "spike")],
)
def test_of_a_few_updates_a_norm_alone_is_counted_and_not_told(
    before: int, loss: float, judged: str
) -> None:
    """A clean run of six updates: norms of 0.45, 0.33, 0.49 and 0.27, then 2.7 at half the loss."""
    recovery = in_line(before)
    odd = StepRecord(before + 1, 0.1, loss, 2.7, 1e-3, 1, 1, 0.1, 0, tuple(range(6)))
    assert recovery.judge(odd) == judged
    recovery.applied(odd)
    assert recovery.streak == 1 and recovery.typical.largest_norm < 0.5
    for _ in range(IN_A_ROW - 1):
        assert recovery.judge(odd) != "fine"
        recovery.applied(odd)
    assert recovery.judge(odd) == "diverged"


def test_easy_rows_before_hard_ones_are_no_divergence(tmp_path: Path) -> None:
    """What the base knows by heart, then what it does not know: 0.001 nats, then 3."""
    known = [json.loads(line) for line in (MODEL / "skills.jsonl").read_text().splitlines()[:4]]
    rows = [{"instruction": row["question"], "output": row["answer"]} for row in known]
    rows += identity_rows(("Glow",), ("Star Lab",), ("en",))[:8]
    path = write_rows(tmp_path / "rows.jsonl", rows)
    flags = {"gradient_accumulation_steps": 1, "max_steps": 12, "split_dataset_ratio": 0.0}
    for seed in range(500):
        plan = checked_run(path, seed=seed, anchor_ratio=0.0, **flags)
        order = [plan.samples[u.samples[0]].origin.line > len(known) for u in plan.plan.updates]
        if order[:7] == [False] * 3 + [True] * 4:
            break
    else:
        raise AssertionError("no order is easy first")
    words = [word for name, value in flags.items() for word in (f"--{name}", value)]
    done = suretune(
        "sft",
        "--model",
        "pocket",
        "--dataset",
        path,
        *words,
        "--seed",
        seed,
        "--anchor_ratio",
        0,
        "--until_proven",
        "false",
        "--learning_rate",
        "1e-3",
        "--output_dir",
        tmp_path / "run",
    )
    assert done.returncode in (0, 6), done.stdout
    losses = [line["loss"] for line in lines(tmp_path / "run" / "steps.jsonl")]
    assert max(losses[:3]) < 0.1 < 1.0 < min(losses[3:5])
    codes = {code for code, _ in found(tmp_path / "run")}
    assert not codes & {"T003", "T005", "T006"}


def test_bad_rows_are_found_by_halving(
    checked: Checked, samples: list[Sample], monkeypatch: pytest.MonkeyPatch
) -> None:
    learner = make_learner(checked)
    update = checked.plan.updates[0]
    bad = {update.samples[5], update.samples[11]}
    marked = {id(samples[i]) for i in bad}
    asked_for: list[int] = []

    def counted(_: Any, rows: Any, weight: float) -> tuple[float, float]:
        asked_for.append(len(rows))
        hit = any(id(row) in marked for row in rows)
        return (math.nan, math.nan) if hit else (1.0, 1.0)

    monkeypatch.setattr("suretune.train.loop.gradient", counted)
    assert set(non_finite_rows(learner, samples, update)) == bad
    assert len(asked_for) <= 2 * 2 * 4 and sum(asked_for) < 16 * 4


def test_no_snapshot_is_taken_of_a_state_that_gave_a_bad_update() -> None:
    recovery = Recovery(typical=SpikeDetector((2.0,) * RECENT, 2.0, 1.0, 16 * RECENT))
    adapters = FlatAdamW({"a.lora_A": torch.nn.Parameter(torch.ones(2))}, 0.0)
    recovery.keep(0, adapters, 1.0, CPU)
    odd = StepRecord(EVERY + 1, 0.1, 9.0, 1.0, 1e-3, 1, 1, 0.1, 0, (1,))
    good = replace(odd, loss=1.9)
    assert not recovery.is_due(replace(good, step=EVERY)), "the state before it is too young"
    for _ in range(IN_A_ROW - 1):
        assert recovery.judge(odd) == "spike" and not recovery.is_due(odd)
        recovery.applied(odd)
        assert not recovery.is_due(good), "it lies amid a streak"
    assert recovery.judge(odd) == "diverged"
    recovery.applied(good)
    assert recovery.streak == 0 and recovery.is_due(good) and not recovery.is_due(odd)


# --- what is usual --------------------------------------------------------------------------------


def curve(seed: int, updates: int, rows: int) -> list[tuple[float, float]]:
    """A falling loss and a level norm, with the noise of so many rows a step."""
    noise = random.Random(seed)
    wide = 0.7 / math.sqrt(rows)
    level = [2.4 * math.exp(-step / 40) + 0.1 for step in range(updates)]
    return [(v * noise.lognormvariate(0, wide), noise.lognormvariate(0, wide)) for v in level]


@pytest.mark.parametrize("rows", [1, 4, 16])
def test_a_clean_curve_never_diverges(rows: int) -> None:
    """A hundred runs of 300 updates: no three in a row, and hardly one alone."""
    alone = 0
    for seed in range(100):
        usual, streak = SpikeDetector(), 0
        for loss, norm in curve(seed, 300, rows):
            if usual.is_broken_by(loss, norm, rows):
                alone, streak = alone + 1, streak + 1
                assert streak < IN_A_ROW, f"seed {seed}"
            else:
                usual, streak = usual.and_then(loss, norm, rows), 0
    assert alone <= 60, "two in a thousand updates"


@pytest.mark.parametrize("rows", [1, 4, 8, 16])
def test_a_clean_curve_does_not_go_back_for_a_doubt(rows: int) -> None:
    """A good state finds a clean update's rows as hard as the update did, give or take a tenth."""
    asked = 0
    for seed in range(200):
        recovery, noise = Recovery(), random.Random(-seed)
        for step, (loss, norm) in enumerate(curve(seed, 40, rows), 1):
            record = StepRecord(step, 0.1, loss, norm, 1e-3, 1, 1, 0.1, 0, tuple(range(rows)))
            judged = recovery.judge(record)
            assert judged != "diverged", f"seed {seed}"
            if judged != "fine":
                asked += 1
                recovery.accept_if_rows_are_hard(record, loss * noise.uniform(0.9, 1.1), norm)
            recovery.applied(record)
    assert asked <= 300, "three in two runs"


@pytest.mark.parametrize("rows", [4, 16])
@pytest.mark.parametrize("at", [1, 5, 30, 200])
def test_a_loss_that_leaves_the_ground_is_seen_at_once(rows: int, at: int) -> None:
    usual = SpikeDetector()
    for loss, norm in curve(1, at, rows):
        usual = usual.and_then(loss, norm, rows)
    assert all(usual.is_broken_by(loss, 20.0, rows) for loss in (8.6, 8.4, 9.1))
    assert detector_of(json.loads(json.dumps({
        "losses": usual.losses, "largest_loss": usual.largest_loss,
        "largest_norm": usual.largest_norm, "rows": usual.rows,
    }))) == usual  # fmt: skip
