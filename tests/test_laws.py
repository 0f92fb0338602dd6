"""The laws on the real path: the pocket model or its first layers, the real loop, the real command
line."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
import torch
from safetensors.torch import load_file

from conftest import forking, suretune
from shallow import shallow_pocket
from suretune import rundir
from suretune.config import Resolved
from suretune.data.base import find_base
from suretune.data.pass_layout import Size, size_of
from suretune.data.plan import learning_rate
from suretune.model import fused
from suretune.model.attention import PACKED
from suretune.model.decode import ROWS
from suretune.model.fused import keep_all
from suretune.model.load import load_base
from suretune.model.lora import attach, trainable
from suretune.model.packed_batch import make_pass, passes, token_losses
from suretune.model.recompute import Keep
from suretune.model.stack import make_stack
from suretune.options_lora import LoraOptions
from suretune.preflight.check import Checked, check
from suretune.record.journal import Journal
from suretune.run.evaluate import COOLED
from suretune.train import plain_engine
from suretune.train.buckets import CAPTURE, choose_buckets, up
from suretune.train.door import Engine
from suretune.train.engine import Bucket, Fast
from suretune.train.flat_adamw import FlatAdamW
from suretune.train.loop import Applied, Learner, Proposed, gradient, make_scale, train
from suretune.train.plain_engine import Plain
from suretune.types import Sample, Schedule
from suretune.verify.fresh import Prover
from suretune.verify.reload import Request

CPU = torch.device("cpu")


def checked_run(rows: Path, **options: Any) -> Checked:
    asked = Resolved.default().with_values("flag", model="pocket", dataset=(str(rows),), **options)
    return check(asked, Journal())


def make_learner(
    checked: Checked, dtype: torch.dtype = torch.float32, *, fast: bool = False
) -> Learner:
    model = load_base(shallow_pocket(), CPU, "float32", PACKED)
    tuned = attach(model, LoraOptions(), "pocket", seed=1).to(dtype)  # type: ignore[arg-type]
    torch.manual_seed(2)
    for name, p in trainable(tuned).items():  # B starts at zero: make it matter
        if "lora_B" in name:
            p.data.normal_(std=0.02)
    parameters = trainable(tuned)
    adapters = FlatAdamW(parameters, 0.0)
    engine: Engine = Plain(tuned, adapters, CPU, 4096)
    if fast:
        stack = make_stack(tuned.base_model.model)
        assert not isinstance(stack, str), stack
        engine = Fast(stack, adapters, CPU, 4096, keep_all(stack), graphs=False)
    return Learner(tuned, adapters, engine, make_scale("float32"), CPU, 0.0)


@pytest.fixture(scope="module")
def checked(identity_file: Path) -> Checked:
    return checked_run(identity_file)


@pytest.fixture(scope="module")
def samples(checked: Checked) -> list[Sample]:
    return [sample for row in checked.train for sample in row.samples]


def grads(learner: Learner) -> dict[str, torch.Tensor]:
    return {n: p.grad.clone() for n, p in learner.adapters.parameters.items() if p.grad is not None}


def relative(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> float:
    assert a.keys() == b.keys() and a
    return max(float((a[n] - b[n]).norm() / b[n].norm().clamp(min=1e-30)) for n in a)


@pytest.mark.parametrize(("dtype", "bound"), [(torch.float64, 1e-10), (torch.float32, 1e-5)])
@pytest.mark.parametrize("fast", [False, True])
def test_l3_passes_do_not_change_the_gradient(
    checked: Checked, samples: list[Sample], dtype: torch.dtype, bound: float, fast: bool
) -> None:
    """Sixteen passes of one row, two passes, one pass of sixteen: one gradient."""
    learner = make_learner(checked, dtype, fast=fast)
    rows = samples[:16]
    weight = sum(s.loss_weight for s in rows)
    found = []
    for budget in (1, 500, 4096):
        learner.engine.tokens_per_pass = budget
        loss, _ = gradient(learner, rows, weight)
        found.append((loss, grads(learner), len(passes(rows, budget, CPU))))
    assert [number for *_, number in found] == [16, found[1][2], 1] and 1 < found[1][2] < 16
    for loss, gradients, _ in found[:2]:
        assert abs(loss - found[2][0]) <= bound * abs(found[2][0])
        assert relative(gradients, found[2][1]) <= bound


def test_l3_on_the_command_line(tmp_path: Path, identity_file: Path) -> None:
    """1 x 16 and 16 x 1 are the same run, and 16 passes end where one pass ends."""
    ways = {
        "one": ("--per_device_train_batch_size", 1, "--gradient_accumulation_steps", 16),
        "other": ("--per_device_train_batch_size", 16, "--gradient_accumulation_steps", 1),
        "rows": ("--tokens_per_pass", 8),
    }
    probe = tmp_path / "probe.txt"
    probe.write_text("你是谁?\n")
    weights = {}
    for name, flags in ways.items():
        done = suretune(
            "sft", "--model", "pocket", "--dataset", identity_file, "--max_steps", 3,
            "--probes", probe, "--general_questions", 100,
            "--output_dir", tmp_path / name, *flags,
        )  # fmt: skip
        assert done.returncode in (0, 6), done.stderr[-2000:]
        weights[name] = load_file(tmp_path / name / "adapter" / "adapter_model.safetensors")
    assert all(torch.equal(weights["one"][n], weights["other"][n]) for n in weights["one"])
    assert relative(weights["rows"], weights["one"]) < 1e-3  # Adam turns 1e-6 into signs near zero


def test_l4_packed_equals_unpacked_per_token(checked: Checked, samples: list[Sample]) -> None:
    learner = make_learner(checked, torch.float64)
    with torch.no_grad():
        packed = token_losses(learner.model, make_pass(samples[:16], CPU))
        alone = torch.cat([token_losses(learner.model, make_pass([s], CPU)) for s in samples[:16]])
    assert torch.allclose(packed, alone, rtol=1e-5, atol=1e-7)


def test_l4_equals_transformers_own_loss(checked: Checked, samples: list[Sample]) -> None:
    """Our packed loss is what transformers computes for the same row and labels."""
    learner = make_learner(checked)
    learner.model.set_attn_implementation("sdpa")
    for sample in samples[:3]:
        ids = torch.tensor([sample.ids.tolist()])
        labels = torch.full_like(ids, -100)
        for span in sample.spans:
            labels[0, span.start : span.end] = ids[0, span.start : span.end]
        with torch.no_grad():
            theirs = learner.model(input_ids=ids, labels=labels).loss
        learner.model.set_attn_implementation(PACKED)
        with torch.no_grad():
            ours = token_losses(learner.model, make_pass([sample], CPU)).mean()
        learner.model.set_attn_implementation("sdpa")
        assert torch.allclose(ours, theirs, rtol=1e-5)


def test_no_row_sees_another(checked: Checked, samples: list[Sample]) -> None:
    """Poison one row of a pass: every other row's losses stay the same, bit for bit."""
    learner = make_learner(checked)
    rows = samples[:6]
    poisoned = list(rows)
    ids = rows[2].ids[:]
    for i in range(len(ids)):
        ids[i] = (ids[i] * 7 + 13) % 1000
    poisoned[2] = replace(rows[2], ids=ids)
    with torch.no_grad():
        clean = token_losses(learner.model, make_pass(rows, CPU))
        dirty = token_losses(learner.model, make_pass(poisoned, CPU))
    start = sum(s.learned for s in rows[:2])
    end = start + rows[2].learned
    assert torch.equal(clean[:start], dirty[:start]) and torch.equal(clean[end:], dirty[end:])
    assert not torch.equal(clean[start:end], dirty[start:end])


def test_weights_scale_the_loss(checked: Checked, samples: list[Sample]) -> None:
    """A row of weight 2 counts like the row standing there twice."""
    learner = make_learner(checked, torch.float64)
    a, b = samples[0], samples[1]
    double = replace(a, spans=tuple(replace(s, weight=2.0) for s in a.spans))
    rows = [double, b]
    first, _ = gradient(learner, rows, sum(s.loss_weight for s in rows))
    one = grads(learner)
    rows = [a, a, b]
    second, _ = gradient(learner, rows, sum(s.loss_weight for s in rows))
    assert abs(first - second) < 1e-10
    assert relative(one, grads(learner)) < 1e-10


def test_a_refused_update_changes_nothing(checked: Checked, samples: list[Sample]) -> None:
    learner = make_learner(checked)
    before = {n: p.detach().clone() for n, p in learner.adapters.parameters.items()}
    events = train(learner, samples, checked.plan, 0)
    proposed = next(events)
    assert isinstance(proposed, Proposed)
    events.close()
    assert all(torch.equal(p, before[n]) for n, p in learner.adapters.parameters.items())
    events = train(learner, samples, checked.plan, 0)
    next(events)
    assert isinstance(next(events), Applied)
    assert not all(torch.equal(p, before[n]) for n, p in learner.adapters.parameters.items())


def test_clipping_leaves_the_norm_it_promises(checked: Checked, samples: list[Sample]) -> None:
    learner = replace(make_learner(checked), max_grad_norm=0.01)
    _, before = gradient(learner, samples[:4], 1.0)
    after = torch.stack([g.norm() for g in grads(learner).values()]).norm()
    assert before > 0.01 and abs(float(after) - 0.01) < 1e-4


def test_l7_learned_tokens_are_the_planned_ones(checked: Checked, samples: list[Sample]) -> None:
    for update in checked.plan.updates[:8]:
        rows = [samples[i] for i in update.samples]
        made = passes(rows, 300, CPU)
        assert sum(len(p.targets) for p in made) == update.learned
        assert sum(p.ids.shape[1] for p in made) == update.tokens
        assert float(sum(p.weights.sum() for p in made)) == pytest.approx(update.loss_weight)


# --- on the run that the command line left behind -----------------------------------------------


def lines(path: Path) -> list[Any]:
    return list(rundir.read_jsonl(path))


def test_l1_every_row_is_in_the_ledger(trained: Path, identity_file: Path) -> None:
    entries = lines(trained / "ledger.jsonl")
    rows = len(identity_file.read_text("utf-8").splitlines())
    assert len(entries) == rows == len({entry["row"] for entry in entries})
    plan = rundir.read_json(trained / "plan.json")
    trained_rows = [entry for entry in entries if entry["state"] == "train"]
    assert sum(entry["samples"] for entry in trained_rows) == plan["rows"]


def test_l7_the_log_adds_up_to_the_plan(trained: Path) -> None:
    plan = rundir.read_json(trained / "plan.json")
    steps = lines(trained / "steps.jsonl")
    planned = plan["updates"]
    assert 0 < len(steps) <= len(planned)  # it stops where the proof passes
    for made, update in zip(steps, planned, strict=False):
        for key in ("step", "tokens", "learned"):
            assert made[key] == update[key]
    assert sum(update["tokens"] for update in planned) == plan["tokens"]
    assert sum(update["learned"] for update in planned) == plan["learned"]


def test_once_all_passed_the_rate_fell_to_nothing_before_it_was_asked_again(trained: Path) -> None:
    asked = [line for line in lines(trained / "evals.jsonl") if line["asked"]]
    first, last = asked[-2]["step"], asked[-1]["step"]
    assert asked[-2]["proven"] and asked[-1]["proven"], "two in a row confirm it"
    plan, steps = rundir.read_json(trained / "plan.json"), lines(trained / "steps.jsonl")
    assert first + COOLED <= last == steps[-1]["step"] < len(plan["updates"])
    schedule = Schedule(**plan["schedule"])
    for line in steps:
        step = line["step"]
        share = 1.0 if step <= first else (last - step + 1) / (last - first)
        assert line["learning_rate"] == pytest.approx(learning_rate(schedule, step) * share)


def test_l6_reloaded_is_what_was_in_memory(trained: Path) -> None:
    result = rundir.read_json(trained / "proof" / "result.json")
    assert result["pid"] > 0 and result["process"] == "fresh"
    assert result["tensors_saved"] == result["tensors_matched"] > 0
    assert result["logits_gap"] <= 1e-4 < 0.1 < result["logits_change"]
    assert result["same_base"] is True


def test_plain_peft_loads_every_checkpoint(trained: Path) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from suretune.pocket import MODEL

    folders = [path for _, path in rundir.checkpoints(trained)] + [trained / "adapter"]
    assert len(folders) >= 2
    for folder in folders:
        base = AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32)
        tuned = PeftModel.from_pretrained(base, folder)
        tokenizer = AutoTokenizer.from_pretrained(folder)
        turns = [
            {"role": "system", "content": "You are a helpful assistant."},
            {"role": "user", "content": "你是谁？"},
        ]
        ids = tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_tensors="pt")
        out = tuned.generate(**ids, max_new_tokens=40, do_sample=False)
        said = tokenizer.decode(out[0, ids["input_ids"].shape[1] :])
    assert "小光" in said or "星海" in said


def test_the_seal_covers_the_run(trained: Path) -> None:
    seal = orjson.loads((trained / "VERIFIED.json").read_bytes())
    assert seal["verdict"] == "sealed" and seal["ignored"] == []
    for name, digest in seal["files"].items():
        assert rundir.sha256(trained / name) == digest
    names = set(seal["files"])
    assert {
        "adapter/adapter_model.safetensors",
        "ledger.jsonl",
        "plan.json",
        "report.html",
    } <= names


def trains_by_both_engines_alike(checked: Checked, samples: list[Sample]) -> None:
    """The same plan by both: twelve updates later the adapters agree."""
    ends = []
    for fast in (False, True):
        learner = make_learner(checked, torch.float64, fast=fast)
        for number, event in enumerate(train(learner, samples, checked.plan, 0)):
            if number == 23:
                ends.append((learner.adapters.values.detach().clone(), event.record.loss))
                break
    (one, loss), (other, again) = ends
    # transformers computes its norms in float32 whatever the model is in.
    assert abs(loss - again) < 1e-6 * abs(loss)
    assert float((one - other).norm() / one.norm()) < 1e-5


def test_the_fast_engine_trains_as_the_plain_one(checked: Checked, samples: list[Sample]) -> None:
    trains_by_both_engines_alike(checked, samples)


def test_padding_a_pass_changes_nothing(checked: Checked, samples: list[Sample]) -> None:
    """What a CUDA graph computes beside the rows weighs nothing, poisoned embeddings included."""
    learner = make_learner(checked, torch.float64, fast=True)
    engine = learner.engine
    assert isinstance(engine, Fast)
    size = size_of(samples[:5])
    room = Size(up(size.tokens, 64) + 64, 12, size.learned + 9, size.longest)
    bucket = Bucket(engine, room)
    assert bucket.fits(size)
    learner.adapters.zero()
    plain = engine.one(make_pass(samples[:5], CPU), 0.1)
    before = learner.adapters.gradient.clone()
    learner.adapters.zero()
    padded = bucket.run(samples[:5], 0.1)
    assert float(abs(padded - plain)) < 1e-6 * float(plain)
    assert float((learner.adapters.gradient - before).norm() / before.norm()) < 1e-7
    batch = make_pass(samples[:5], CPU, room=room)
    assert int(batch.starts[-1]) == room.tokens and float(batch.weights.sum()) == sum(
        s.loss_weight for s in samples[:5]
    )


def test_buckets_hold_every_pass_and_cost_little() -> None:
    sizes = [Size(650 + 7 * i, 16, 300 + i, 60) for i in range(20)] + [Size(4000, 40, 2000, 300)]
    weights = round(CAPTURE / 2048)
    made = choose_buckets(sizes, weights)
    assert [b.tokens for b in made] == [832, 4032]
    for size in sizes:
        best = next(b for b in made if b.tokens >= size.tokens)
        padding = -(-(best.tokens - size.tokens) // best.longest)
        assert best.rows >= size.rows + padding and best.learned >= size.learned
    # Of a narrow layer so many tokens are computed while it is captured that one bucket is enough.
    assert [b.tokens for b in choose_buckets(sizes, weights // 40)] == [4032]
    assert choose_buckets([], weights) == []


@pytest.mark.parametrize("fast", [False, True])
def test_running_out_of_memory_changes_no_gradient(
    checked: Checked, samples: list[Sample], monkeypatch: pytest.MonkeyPatch, fast: bool
) -> None:
    """Above 300 tokens a pass "memory runs out": smaller passes, the same gradient, and a note."""
    learner = make_learner(checked, torch.float64, fast=fast)
    rows = samples[:16]
    weight = sum(s.loss_weight for s in rows)
    loss, _ = gradient(learner, rows, weight)
    whole = grads(learner)
    module, name = (fused, "gradient") if fast else (plain_engine, "token_losses")
    real = getattr(module, name)

    def short_of_memory(model: Any, batch: Any, *rest: Any) -> Any:
        if batch.ids.shape[1] > 300:
            raise torch.OutOfMemoryError("out of memory")
        return real(model, batch, *rest)

    monkeypatch.setattr(module, name, short_of_memory)
    again, _ = gradient(learner, rows, weight)
    assert learner.notes and learner.engine.tokens_per_pass <= 300 < 4096
    assert abs(loss - again) < 1e-10 * abs(loss)
    assert relative(grads(learner), whole) < 1e-10


def test_a_row_too_long_for_memory_is_kept_less_of(
    checked: Checked, samples: list[Sample], monkeypatch: pytest.MonkeyPatch
) -> None:
    learner = make_learner(checked, torch.float64, fast=True)
    rows = samples[:1]
    gradient(learner, rows, 1.0)
    whole = grads(learner)
    real = fused.gradient

    def short_of_memory(stack: Any, batch: Any, factors: Any, policy: Any, *rest: Any) -> Any:
        if policy.keep[0] is not Keep.HOST:
            raise torch.OutOfMemoryError("out of memory")
        return real(stack, batch, factors, policy, *rest)

    monkeypatch.setattr(fused, "gradient", short_of_memory)
    gradient(learner, rows, 1.0)
    assert len(learner.notes) == 2 and relative(grads(learner), whole) < 1e-10
    monkeypatch.setattr(
        fused, "gradient", lambda *rest: (_ for _ in ()).throw(torch.OutOfMemoryError)
    )
    with pytest.raises(torch.OutOfMemoryError):
        gradient(learner, rows, 1.0)


def test_the_fresh_process_waits_and_ends_with_whoever_started_it(tmp_path: Path) -> None:
    with forking():
        lonely, asked = Prover(), Prover()
    assert lonely._process.stdin is not None
    lonely._process.stdin.close()
    assert lonely._process.wait(timeout=60) == 0
    with pytest.raises(RuntimeError, match=r"request\.json"):
        asked.prove(tmp_path / "no run", tmp_path / "result.json")
    unneeded = Prover()
    unneeded.close()
    assert unneeded._process.returncode != 0
    lonely._process.stderr.close()  # type: ignore[union-attr]


def test_a_base_loaded_ahead_changes_nothing_in_the_proof(trained: Path, tmp_path: Path) -> None:
    """Law 6 of a process that has the base before it is told the run."""
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    request = Request(**rundir.read_json(run / "proof" / "request.json"))
    base = find_base("pocket", weights=True)
    assert (request.base, request.packed) == (base.where, base.packed)  # as `Prover.load` has it
    assert request.rows == ROWS[-1] != Request("", "", "", "", "", None, 0).rows == 128
    with forking():
        prover = Prover()
    prover._tell(["pocket", "", "cpu", "float32"])
    found = {**prover.prove(run, run / "proof" / "again.json")}
    want = rundir.read_json(trained / "proof" / "result.json")
    for measured in (found, want):
        assert measured.pop("pid") > 0
        assert measured["general"].pop("seconds")
        measured["general"].pop("from_cache")  # what others asked before
    assert found == want


def test_the_proof_process_ends_with_whoever_started_it(tmp_path: Path) -> None:
    """Also amid the proof: here it waits for a request that never comes."""
    (tmp_path / "proof").mkdir()
    os.mkfifo(tmp_path / "proof" / "request.json")
    with forking():
        prover = Prover()
    process = prover._process
    assert process.stdin
    process.stdin.write(json.dumps([str(tmp_path), str(tmp_path / "result.json"), ""]) + "\n")
    process.stdin.flush()
    end, request = time.monotonic() + 60, None
    while request is None:
        try:  # which nobody can write to before somebody reads
            request = os.open(tmp_path / "proof" / "request.json", os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            assert process.poll() is None and time.monotonic() < end, "it reads no request"
            time.sleep(0.05)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(1)
    process.stdin.close()  # as the death of its parent does
    assert process.wait(60) == 1
    os.close(request)
    process.stderr.close()  # type: ignore[union-attr]
