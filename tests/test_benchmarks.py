"""The benchmarks' page says what the newest results say, and their arithmetic is right."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from conftest import ROOT, stands

BENCHMARKS = ROOT / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))
sys.path.insert(0, str(BENCHMARKS / "peers"))

import latest  # noqa: E402
import page  # noqa: E402
import serve  # noqa: E402

NEWEST: dict[str, Any] = json.loads(latest.LATEST.read_text("utf-8"))


def test_the_page_is_what_the_results_make() -> None:
    text, drawn = page.make()
    assert page.PAGE.read_text("utf-8") == text, "run `python benchmarks/page.py`"
    there = {path.name: path.read_text("utf-8") for path in page.PLOTS.glob("*.svg")}
    assert there == drawn


def test_the_newest_results_have_the_agreed_keys() -> None:
    assert set(latest.KEYS) | set(latest.ABOUT) <= set(NEWEST)
    for peer in NEWEST["peers"].values():
        assert set(latest.KEYS) <= set(peer)
    assert {figure.key for figure in page.FIGURES} >= set(latest.KEYS)


def test_the_figures_follow_from_the_runs() -> None:
    again = latest.assemble(
        NEWEST["runs"], NEWEST["failed"], NEWEST["device"], NEWEST["commit"], NEWEST["date"]
    )
    assert {**again, "remarks": NEWEST["remarks"]} == NEWEST


def test_the_page_names_what_another_commit_measured() -> None:
    runs: latest.Runs = {
        "suretune:packed": [{"tok_s": 9, "commit": "new"}],
        "trl:packed": [{"tok_s": 5, "commit": "old"}],
        "trl:packed-recompute": [{"tok_s": 4, "commit": "new"}],
    }
    made = latest.assemble(runs, {}, "card", "new", "2026-01-01")
    assert page.apart(made) == "`trl:packed` (commit `old`)"
    told = page.notes({**made, "remarks": ["Said by hand."]})
    assert "- Said by hand." in told and any("`trl:packed`" in line for line in told)


def test_what_was_not_measured_is_null_and_says_so() -> None:
    empty = latest.assemble({}, {}, None, "", "")
    assert all(empty[key] is None for key in latest.KEYS)
    told = page.page(empty, page.read("earlier.json"), {}, [])
    assert told.count(f"| {page.NOT_YET} | ") >= len(latest.KEYS)
    assert page.plots(empty) == {}


def test_figures_are_medians_and_the_small_card_takes_what_fits() -> None:
    runs: latest.Runs = {
        "suretune:seeds": [{"train_s": s, "wall_s": 9.0} for s in (3.0, 1.0, 2.0)],
        "suretune:packed": [{"tok_s": 100}],
        "suretune:packed4": [{"tok_s": 100}],
        "suretune:fp8": [{"tok_s": 200, "loss_gap": 0.025}],
        "trl:packed": [{"tok_s": 90, "reserved_gib": 30.0}],
        "trl:packed-recompute": [{"tok_s": 60, "reserved_gib": 20.0}],
        "trl:articles": [{"train_s": 180.0, "updates_measured": 6}],
    }
    made = latest.assemble(runs, {}, "card", "abc", "2026-01-01")
    assert made["seeds_train_s"] == 2.0 and made["seeds_wall_s"] == 9.0
    assert made["fp8_loss_gap"] == 0.025
    trl = made["peers"]["trl"]
    assert (trl["packed_tok_s"], trl["packed_24gib_tok_s"]) == (90, 60)
    drawn = page.plots(made)
    assert set(drawn) == {"articles.svg", "packed.svg"}
    for svg in drawn.values():
        assert ElementTree.fromstring(svg).tag.endswith("svg")
    told = page.page(made, page.read("earlier.json"), {}, list(drawn))
    assert "**2.0 s**" in told and stands("180.0 s (6 of 40 updates measured)", told)
    assert stands("100 tok/s (not reached)", told)


def test_servers_are_told_with_what_failed() -> None:
    load = serve.figures([0.2, 0.1, 0.4], ["503 busy"], 300, 2.0)
    assert (load["first_p50_ms"], load["first_p99_ms"], load["tok_s"]) == (200.0, 400.0, 150.0)
    assert load["requests"] == 3 and load["failed"] == 1
    told = {
        "device": "card", "versions": {"torch": "2"}, "date": "2026-01-01", "commit": "abc",
        "ask_tokens": 64, "process_a_question_s": 21.5,
        "servers": {
            "suretune": {"clients": {"16": load}, "ask_s": [0.3, 0.5, 0.4]},
            "transformers": {"failed": "no time was left"},
        },
    }  # fmt: skip
    lines = "\n".join(page.serving(told))
    assert "| suretune serve | 16 | 200 ms | 400 ms | 150 (1 failed) |" in lines
    assert "`transformers`: no time was left" in lines
    assert stands("21.5 s", lines) and "**0.40 s** (median of 3, 0.50 s at most)" in lines
    assert page.serving({}) == [f"Servers under load: {page.NOT_YET}."]


def test_an_adapter_and_its_merged_model_are_one(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    import serve_models
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, Qwen2Config

    base, adapter, merged = (tmp_path / name for name in ("base", "adapter", "merged"))
    config = Qwen2Config(
        vocab_size=64, hidden_size=32, num_hidden_layers=2, intermediate_size=48,
        num_attention_heads=4, num_key_value_heads=2, tie_word_embeddings=False,
    )  # fmt: skip
    AutoModelForCausalLM.from_config(config).save_pretrained(base)
    serve_models.make_adapter(base, adapter)
    serve_models.merge(base, adapter, merged)
    ids = torch.arange(12)[None]
    with torch.no_grad():
        plain = AutoModelForCausalLM.from_pretrained(base)
        one = AutoModelForCausalLM.from_pretrained(merged)(ids).logits
        before = plain(ids).logits
        other = PeftModel.from_pretrained(plain, adapter)(ids).logits
    assert (one - other).abs().max() < 1e-4 < (other - before).abs().max()


def test_shares_of_a_profile_add_up_to_one() -> None:
    parts = latest.shares(
        {
            "launching_ms": 80.0,
            "aten::mm x9": 6.0,
            "nvjet_tst_128 x9": 6.0,
            "flash_fwd x1": 3.0,
            "thing x2": 1.0,
        }
    )
    assert parts == {"matrix products": 0.6, "attention": 0.3, "other": 0.1}


def test_a_case_that_fails_says_so_and_ends_alone(tmp_path: Path) -> None:
    import argparse

    asked = argparse.Namespace(work=tmp_path, unsloth_site=tmp_path / "none", device="cpu")
    told = latest.run(latest.Job("trl:packed", ("-c", "raise SystemExit('no card')")), asked, 60)
    assert told["failed"] == "exit status 1" and "no card" in told["said"]
    late = latest.Job("trl:packed", ("-c", "import time; time.sleep(60)"))
    assert "no result" in latest.run(late, asked, 0.5)["failed"]
    good = latest.Job("trl:packed", ("-c", "print('x'); print('{\"tok_s\": 5}')"))
    assert latest.run(good, asked, 60)["tok_s"] == 5


def test_peers_count_the_same_tokens_however_rows_are_laid() -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("psutil")
    import work

    rows = [
        {"input_ids": [1, 2, 3], "labels": [-100, 2, 3]},
        {"input_ids": [4, 5], "labels": [4, 5]},
    ]
    alone = [work.count({n: torch.tensor([v]) for n, v in row.items()}) for row in rows]
    padded = {
        "input_ids": torch.tensor([[1, 2, 3], [4, 5, 0]]),
        "labels": torch.tensor([[-100, 2, 3], [4, 5, -100]]),
        "attention_mask": torch.tensor([[1, 1, 1], [1, 1, 0]]),
    }
    flat = work.flat(rows, "cpu")
    assert [sum(int(pair[i]) for pair in alone) for i in (0, 1)] == [5, 3]
    assert tuple(map(int, work.count(padded))) == tuple(map(int, work.count(flat))) == (5, 3)
    assert flat["position_ids"].tolist() == [[0, 1, 2, 0, 1]]


def test_packs_are_full_and_updates_know_their_micro_batches() -> None:
    pytest.importorskip("psutil")
    import work

    for pack in work.packs_of(2048, 8, 1000, joined=False):
        lengths = [len(row["input_ids"]) for row in pack]
        assert sum(lengths) == 2048 and min(lengths) > 1 and len(pack) > 1
    rows = [{"input_ids": [1, 2], "labels": [-100, 2]}] * 50
    about = {"model": Path(), "out": Path(), "packs": [], "device": "cpu", "liger": False}
    case = work.Case("x", "articles", rows=rows, updates=40, planned=40, **about)
    assert [case.micro_batches(n) for n in (1, 3, 4, 5, 40)] == [16, 48, 50, 66, 500]
    best = work.Case("x", "articles-best", rows=rows, updates=40, planned=40, **about)
    assert [best.micro_batches(n) for n in (1, 4, 40)] == [1, 4, 40]
