"""The memory plan: bytes from shapes, and what is given up when there are too few."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from conftest import write_rows
from suretune import rundir
from suretune.config import Resolved
from suretune.model.lora import trainable
from suretune.model.memory import (
    GIB,
    SLACK,
    Shape,
    choose_policy,
    fixed,
    kept,
    needed,
    parse_bytes,
    shape_of,
)
from suretune.model.recompute import Keep, Policy
from suretune.model.weight_stream import weight_files
from suretune.options import EngineOptions
from suretune.preflight.check import check
from suretune.record.journal import Journal
from suretune.refusal import Refusal
from suretune.train import engine_plan
from suretune.train.buckets import Size
from suretune.train.engine_plan import PassPlan, choose_pass_plan, pass_plan_of
from suretune.train.flat_adamw import FlatAdamW
from suretune.types import Sample, Update
from test_fused import rows, stack_of, tuned
from test_soft import plan_of

QWEN_7B = {
    "num_hidden_layers": 28, "hidden_size": 3584, "num_attention_heads": 28,
    "num_key_value_heads": 4, "intermediate_size": 18944, "vocab_size": 152064,
    "tie_word_embeddings": False,
}  # fmt: skip


@pytest.fixture
def shape() -> Shape:
    return shape_of(QWEN_7B, 2)


def test_a_7b_models_bytes(shape: Shape) -> None:
    """7.62 billion weights; 107 kB a token and layer when everything is kept (both published)."""
    weights = fixed(shape, 8) - fixed(replace(shape, bytes=0), 8, 0.0)
    lora = shape.layers * shape.lora(8)
    assert lora == 20_185_088
    assert (weights - lora * 6) / 2 == pytest.approx(7.615e9, rel=1e-3)
    assert kept(shape, Keep.ALL) == pytest.approx(106.5e3, rel=2e-3)
    assert kept(shape, Keep.INPUT) == 7168 and kept(shape, Keep.HOST) == 0


@pytest.mark.parametrize(
    ("tokens", "learned", "keep", "measured"),
    [(704, 690, Keep.ALL, 17.90e9), (2048, 2040, Keep.ALL, 22.35e9)],
)
def test_the_prediction_meets_what_an_h200_measured(
    shape: Shape, tokens: int, learned: int, keep: Keep, measured: float
) -> None:
    """Of the largest pass, before the moments exist; benchmarks/results/latest.json has more."""
    before = 15.70e9  # allocated then: weights, adapters, their gradient and copies
    policy = Policy((keep,) * shape.layers)
    assert before + needed(shape, policy, tokens, learned) == pytest.approx(measured, rel=0.02)


def test_less_room_gives_up_more(shape: Shape) -> None:
    before = 0.0
    for room in (0.8, 1.0, 1.5, 2.0, 3.0, 5.0, 8.0):
        policy = choose_policy(shape, room * GIB, 2048, 2000)
        if policy is None:
            assert not before
            continue
        used = needed(shape, policy, 2048, 2000)
        assert before <= used <= room * GIB
        before = used
    assert policy is not None and set(policy.keep) == {Keep.ALL}
    assert choose_policy(shape, 0.1 * GIB, 2048, 2000) is None


def test_passes_are_as_long_as_memory_allows(shape: Shape) -> None:
    def largest(budget: int) -> Size:
        return Size(budget, 16, budget // 2, 600)

    asked = EngineOptions()
    wide = choose_pass_plan(shape, 100 * GIB, largest, asked)
    small = choose_pass_plan(shape, 8 * GIB, largest, asked)
    tight = choose_pass_plan(shape, 3 * GIB, largest, asked)
    assert wide and small and tight
    assert (wide.tokens_per_pass, small.tokens_per_pass, tight.tokens_per_pass) == (
        16384, 2048, 2048,
    )  # fmt: skip
    assert set(small.policy.keep) == {Keep.ALL} != set(tight.policy.keep)
    told = choose_pass_plan(shape, 100 * GIB, largest, EngineOptions(tokens_per_pass=512))
    assert told and told.tokens_per_pass == 512
    again = choose_pass_plan(shape, 100 * GIB, largest, EngineOptions(recompute="layer"))
    assert again and set(again.policy.keep) == {Keep.INPUT}
    assert choose_pass_plan(shape, 0.1 * GIB, largest, asked) is None


@pytest.mark.parametrize(
    ("free", "misses", "before", "tried"),
    [
        ([4.0], 0, 0, [16384]),
        ([4.0, 4.0, 0.3], 1, 0, [16384, 8192]),  # others took of the card meanwhile
        ([4.0], 1, 65536, [65536, 16384]),  # what the run had before it was resumed
        ([0.3, 0.3, 4.0], 1, 0, [8192, 8192]),  # no more than a plan that did not fit
        ([4.0], 6, 0, [16384] * 6),
        ([0.02, 0.02, 4.0], 0, 0, []),  # nothing fits at the first look
    ],
)
def test_a_pass_that_does_not_fit_is_planned_again_into_what_is_free_by_then(
    free: list[float], misses: int, before: int, tried: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a card, whose counters are silenced; `tests/test_cuda.py` has one."""
    left, now, begun = misses, iter(free), []

    class Tries:
        def __init__(self, stack: Any, adapters: Any, device: Any, tokens: int, *_: Any, **__: Any):
            self.tokens_per_pass = tokens
            begun.append(tokens)

        def largest(self, rows: list[Sample]) -> None:
            nonlocal left
            left -= 1
            if left >= 0:
                raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    wide = {"hidden_size": 256, "head_dim": 64, "intermediate_size": 512, "vocab_size": 61}
    model, given = tuned("Qwen2", torch.bfloat16, **wide), rows(*[900] * 24)
    adapters, stack = FlatAdamW(trainable(model), 0.0), stack_of(model)
    beside = SLACK + 5 * adapters.values.nbytes
    monkeypatch.setattr(engine_plan, "free_bytes", lambda *_: next(now, free[-1]) * GIB + beside)
    monkeypatch.setattr(engine_plan, "Fast", Tries)
    for name in ("memory_allocated", "max_memory_allocated"):
        monkeypatch.setattr(torch.cuda, name, lambda *_: 0)
    for name in ("reset_peak_memory_stats", "empty_cache"):
        monkeypatch.setattr(torch.cuda, name, lambda *_: None)
    plan = replace(plan_of(given), updates=(Update(1, 0, tuple(range(24)), 0, 0, 1.0),))
    had = PassPlan(before, Policy((Keep.ALL,) * len(stack.layers))) if before else None
    asked = EngineOptions(cuda_graphs=False)
    job = (stack, adapters, asked, torch.device("cpu"), given, plan, had)
    if misses >= len(tried):
        with pytest.raises(Refusal) as refused:
            engine_plan._on_cuda(*job)
        assert refused.value.facts.problem == "out-of-memory"
    else:
        made = engine_plan._on_cuda(*job)
        assert made.pass_plan and made.pass_plan.tokens_per_pass == tried[-1]
    assert begun == tried


def test_a_way_survives_the_disk(shape: Shape) -> None:
    way = PassPlan(2048, Policy((Keep.INPUT, Keep.ALL), 512, 256))
    assert pass_plan_of(way.line()) == way


@pytest.mark.parametrize(
    ("text", "number"),
    [("24GiB", 24 * GIB), ("24GB", 24 * GIB), ("24g", 24 * GIB), ("0.5 TiB", 512 * GIB),
     ("1000", 1000), ("500MiB", 500 * 2**20), ("", None), ("lots", None), ("1.2.3G", None),
     ("0", None), ("-1GiB", None)],
)  # fmt: skip
def test_sizes_as_people_write_them(text: str, number: int | None) -> None:
    assert parse_bytes(text) == number


def test_weights_are_the_files_that_transformers_loads(tmp_path: Path) -> None:
    """Mistral's folders hold everything twice: shards with an index, and one consolidated file."""
    assert weight_files(tmp_path) == []
    for name in ("consolidated", "model-00001-of-00002", "model-00002-of-00002"):
        (tmp_path / f"{name}.safetensors").touch()
    assert weight_files(tmp_path) == []
    shards = [tmp_path / f"model-0000{i}-of-00002.safetensors" for i in (1, 2)]
    index = {"weight_map": {"a": shards[1].name, "b": shards[0].name, "c": shards[0].name}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    assert weight_files(tmp_path) == shards
    (tmp_path / "model.safetensors").touch()
    assert weight_files(tmp_path) == [tmp_path / "model.safetensors"]


def test_out_of_memory_anywhere_is_said_and_not_an_internal_error(
    tmp_path: Path, identity_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the base is asked, and in an evaluation: S019 and its exit status."""
    from suretune.cli import main
    from suretune.train.plain_engine import Plain

    def no_memory(*_: object) -> float:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    monkeypatch.setattr(Plain, "mean_loss", no_memory)
    status = main([
        "sft", "--model", "pocket", "--dataset", str(identity_file), "--max_steps", "2",
        "--split_dataset_ratio", "0.1", "--output_dir", str(tmp_path / "run"), "--json",
    ])  # fmt: skip
    assert status == 4
    kept = rundir.read_jsonl(tmp_path / "run" / "findings.jsonl")
    assert "S019" in [finding["code"] for finding in kept]


@pytest.mark.parametrize(
    ("free", "limit", "told"),
    [
        (0.0, None, "Other processes hold 139.2 of the 139.8 GiB"),
        (0.0, "0.1GiB", ""),
        (9.0, None, None),
    ],
)
def test_what_others_hold_of_a_card_is_told_where_it_is_what_is_missing(
    free: float,
    limit: str | None,
    told: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Not where the run's own limit is too little, whoever else is there."""
    from suretune.run.room import no_room_on

    lines = [{"query": f"q {n}", "response": "a"} for n in range(4)]
    rows = write_rows(tmp_path / "rows.jsonl", lines)
    asked = Resolved.default().with_values("flag", model="pocket", dataset=(str(rows),))
    checked = check(asked, Journal())
    limited = checked.resolved.with_values("flag", memory_limit=limit)
    checked = replace(checked, resolved=limited)
    total = int(139.8 * GIB)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (int(free * GIB), total))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda _: 0)
    found = no_room_on(torch.device("cuda"), checked, 2)
    if told is None:
        assert found is None
        return
    assert found is not None and found.problem == "out-of-memory"
    assert (found.hint.en if found.hint else "").startswith(told) and bool(found.hint) == bool(told)
