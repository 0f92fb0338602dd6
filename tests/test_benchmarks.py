"""The benchmarks' page says what the newest results say, and their arithmetic is right."""

from __future__ import annotations

import argparse
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

import families_speed  # noqa: E402
import latest  # noqa: E402
import page  # noqa: E402
import page_more  # noqa: E402
import serve  # noqa: E402
from families_shapes import CHECKPOINTS  # noqa: E402

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


def asked_of_latest(only: list[str] | None, config_3b: Path | None) -> argparse.Namespace:
    return argparse.Namespace(
        config=Path("7b.json"), config_3b=config_3b, tokenizer=Path("words"), text=[], only=only,
        work=Path("work"), device="cuda", shrink=False, printed_updates=6,
    )  # fmt: skip


def test_full_fine_tuning_is_measured_of_a_shape_of_its_own_or_skipped_aloud() -> None:
    with_shape = asked_of_latest(None, Path("3b.json"))
    jobs = {job.name: job.command for job in latest.jobs(with_shape, Path("m"), Path("r"))}
    assert set(latest.WHOLE) <= set(jobs) and latest.skipped(with_shape) == []
    for name in ("suretune:full", "suretune:full8"):
        assert "3b.json" in jobs[name] and jobs[name][-2:] == ("--case", name.partition(":")[2])
    for name in ("trl:full", "trl:full-bf16"):
        assert str(latest.model_3b(Path("work"))) in jobs[name]
        assert jobs[name][jobs[name].index("--case") + 1] == name.partition(":")[2]
    without = asked_of_latest([":full", "suretune"], None)
    left = {job.name for job in latest.jobs(without, Path("m"), Path("r"))}
    assert left == set(jobs) - set(latest.WHOLE)
    assert latest.skipped(without) == ["suretune:full", "suretune:full8", "trl:full"]


def test_the_page_tells_full_fine_tuning_beside_the_peer_and_what_was_forecast() -> None:
    run = {"tok_s": 9876.5, "step_ms": 207.4, "peak_gib": 55.04, "reserved_gib": 57.96}
    told = {
        "runs": {"suretune:full": [{**run, "forecast_gib": 56.1}], "trl:full": [run]},
        "failed": {"trl:full-bf16": {"failed": "exit status 1"}},
        "remarks": [], "device": "card", "date": "2026-01-01", "commit": "abc",
    }  # fmt: skip
    text = "\n".join(page_more.full(told))
    assert "| suretune | 9,876 | 207 ms | 55.0 GiB | 58.0 GiB |" in text
    assert "| TRL, weights in float32, autocast | 9,876 |" in text
    assert "- TRL, weights and moments in bfloat16: no figure (exit status 1)." in text
    assert stands("suretune 56.1 GiB", text)
    assert page.NOT_YET in page_more.full({})[0]


def test_the_page_tells_families_that_were_measured_refused_or_ended() -> None:
    here = {"device": "card", "versions": {"torch": "2"}, "date": "2026-01-01", "commit": "abc",
            "command": "python benchmarks/families_speed.py", "shrunk": False}  # fmt: skip
    fast = {"tok_s": 40000, "step_ms": 51.2, "tflop_s": 501.5, "peak_gib": 9.96}
    plain = {"tok_s": 20000, "step_ms": 102.4, "peak_gib": 14.04}
    good = {"family": "olmo3", "weights": 3_251_000_000, "fast": fast, "plain": plain, "times": 2.0,
            "gradient_gap": 0.0123}  # fmt: skip
    told: dict[str, Any] = {}
    for line in (good, {"family": "gemma3_text", "refused": "soft-capped scores"},
                 {"family": "qwen2", "failed": "exit status -14", "said": "..."}):  # fmt: skip
        told = families_speed.with_line(told, here, line)
    assert list(told["families"]) == ["qwen2", "gemma3_text", "olmo3"]
    text = "\n".join(page_more.families(told))
    row = "3.25 G | 40,000 | 20,000 | 2.00 | 502 | 10.0 GiB | 14.0 GiB |"
    assert f"| `olmo3` | {CHECKPOINTS['olmo3'].name} | {row}" in text
    assert "- `gemma3_text`: no figure (soft-capped scores)." in text
    assert "- `qwen2`: no figure (exit status -14)." in text
    assert f"- {CHECKPOINTS['olmo3'].name}: 12 of its 32 layers" in text
    assert stands("1.2%", text)
    other = families_speed.with_line(told, {**here, "device": "another"}, good)
    assert list(other["families"]) == ["olmo3"]
    assert page.NOT_YET in page_more.families({})[0]


# Billions of weights that the checkpoint's page gives; of OLMo 3 those of twelve layers.
PUBLISHED = {
    "qwen2": 3.09, "llama": 1.24, "gemma3_text": 1.00, "smollm3": 3.08, "ministral3": 3.43,
    "granite": 2.53, "exaone4": 1.28, "olmo2": 1.48, "olmo3": 3.25,
}  # fmt: skip


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_the_sizes_are_the_checkpoints_and_the_fast_engine_takes_them(name: str) -> None:
    torch = pytest.importorskip("torch")
    from transformers import AutoConfig, AutoModelForCausalLM

    from suretune.model.stack import why_not

    whole, narrow = CHECKPOINTS[name].config, CHECKPOINTS[name].narrow()
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(AutoConfig.for_model(name, **whole))
    assert sum(p.numel() for p in model.parameters()) / 1e9 == pytest.approx(
        PUBLISHED[name], abs=0.006
    )
    assert why_not(model) == ""
    for kinds in ("layer_types", "no_rope_layers"):
        assert set(narrow.get(kinds, ())) == set(whole.get(kinds, ()))


def test_a_family_is_measured_by_both_engines_from_the_same_adapters() -> None:
    asked = argparse.Namespace(device="cpu", shrink=True, updates=2, plain_updates=2)
    found = families_speed.measured("gemma3_text", asked)
    assert found["fast"]["engine"] == "fused" and found["plain"]["engine"] == "plain"
    assert found["gradient_gap"] < 1e-4 and found["loss_gap"] < 1e-5
    assert found["fast"]["tok_s"] > 0 and found["times"] > 0


def test_a_family_that_ends_the_process_takes_no_other_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import sys\n"
        "for name in sys.argv[sys.argv.index('--only') + 1 :]:\n"
        "    if name == 'b':\n"
        "        raise SystemExit('an illegal address')\n"
        '    print(\'{"family": "%s", "times": 2}\' % name, flush=True)\n'
    )
    monkeypatch.setattr(families_speed, "__file__", str(script))
    monkeypatch.setattr(sys, "argv", ["families_speed.py"])
    told = list(families_speed.lines(["a", "b", "c"]))
    assert [line["family"] for line in told] == ["a", "b", "c"]
    assert told[1]["failed"] == "exit status 1" and "illegal address" in told[1]["said"]
    assert told[2]["times"] == 2


@pytest.mark.parametrize("optim", [None, "adamw_8bit"])
def test_the_engines_benchmark_learns_all_weights_and_tells_the_forecast(
    tmp_path: Path, optim: str | None
) -> None:
    pytest.importorskip("torch")
    import engine

    shape = tmp_path / "config.json"
    shape.write_text('{"vocab_size": 1000, "tie_word_embeddings": true}')
    asked = argparse.Namespace(
        case="full", model=None, random=str(shape), shrink=True, updates=1, losses=False,
        profile=False,
    )  # fmt: skip
    told = engine.full(asked, optim)
    assert told["train_type"] == "full" and told["engine"] == "plain"
    assert told["optim"] == (optim or told["optim_by_default"])
    assert told["weights"] > 1000 * 256 and told["forecast_gib"] > 0
    assert min(told["moved"].values()) > 0.99
    assert told["tok_s"] > 0 and 6 < told["loss"] < 8  # ln 1000 = 6.9: nothing is known yet
