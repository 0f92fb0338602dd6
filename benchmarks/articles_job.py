"""The articles' job on a random-weight model of Qwen2.5-7B's true shape.

    python benchmarks/articles_job.py --config CONFIG.json --tokenizer FOLDER --rows ROWS.jsonl

Builds the model (random weights, the real tokenizer), runs `suretune sft` as the articles do, then
loads the adapter with plain PEFT in another process. Random weights cannot pass probes, so the
verdict is "not verified" by R003 alone; everything else of the proof must hold. Writes
benchmarks/results/articles_job.json. `--shrink` builds two narrow layers, to try the script.

`--anchors-cost 3` instead runs the job three times with all defaults and three times with
`--anchor_ratio 0`, by turns, and prints the ratio of their median training times
(benchmarks/results/anchors_cost.json).
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
LOAD = """
import sys, json, torch
from peft import PeftModel
from transformers import AutoModelForCausalLM
base = AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype="auto", device_map=sys.argv[3])
ids = torch.arange(1000, 1064, device=sys.argv[3])[None]
with torch.no_grad():
    plain = base(ids).logits.float()
    tuned = PeftModel.from_pretrained(base, sys.argv[2])(ids).logits.float()
print(json.dumps({"plain_peft_change": (tuned - plain).abs().max().item(),
                  "finite": bool(tuned.isfinite().all())}))
"""


def build(folder: Path, config_file: Path, tokenizer: Path, shrink: bool) -> None:
    """Random weights in bfloat16, saved as safetensors beside the real tokenizer."""
    import torch
    from transformers import AutoModelForCausalLM, Qwen2Config

    values = json.loads(config_file.read_text())
    if shrink:
        values |= {"hidden_size": 128, "num_hidden_layers": 2, "intermediate_size": 256}
        values |= {"num_attention_heads": 4, "num_key_value_heads": 2}
    torch.manual_seed(0)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    with torch.device(device):
        model = AutoModelForCausalLM.from_config(Qwen2Config(**values), dtype=torch.bfloat16)
    model.save_pretrained(folder)
    del model
    if device == "cuda":  # who is started next measures what the card has left
        torch.cuda.empty_cache()
    for path in tokenizer.iterdir():
        shutil.copy(path, folder)


def timed(command: list[str]) -> tuple[float, subprocess.CompletedProcess[str]]:
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return time.perf_counter() - start, done


def main() -> None:
    """Build, train, load; print and write what was measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("config", "tokenizer", "rows"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path("/tmp/articles-job"))
    parser.add_argument("--shrink", action="store_true")
    parser.add_argument("--keep-model", action="store_true", help="use the one built before")
    told = "runs with and without anchors, and the ratio of their times"
    parser.add_argument("--anchors-cost", type=int, default=0, metavar="TIMES", help=told)
    asked = parser.parse_args()
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    base, run = asked.work / "model", asked.work / "run"
    start = time.perf_counter()
    if not (asked.keep_model and (base / "config.json").is_file()):
        shutil.rmtree(asked.work, ignore_errors=True)
        base.mkdir(parents=True)
        build(base, asked.config, asked.tokenizer, asked.shrink)
    built = time.perf_counter() - start
    if asked.anchors_cost:
        anchors_cost(asked, base, device)
        return
    report, status, wall = job(asked, base, run)
    loading, loaded = timed([sys.executable, "-c", LOAD, str(base), str(run / "adapter"), device])
    print(loaded.stderr[-500:], file=sys.stderr)
    result = summary(report, status, wall)
    result |= json.loads(loaded.stdout.strip().splitlines()[-1])
    result |= {"build_and_save_s": round(built, 1), "plain_peft_load_s": round(loading, 1)}
    result |= about_here(asked, device)
    written(asked, "articles_job", result)


def job(
    asked: argparse.Namespace, base: Path, run: Path, *more: str
) -> tuple[dict[str, Any], int, float]:
    """The articles' command and `more` flags: its report, exit status and seconds."""
    shutil.rmtree(run, ignore_errors=True)
    command = [
        sys.executable, "-m", "suretune", "sft", "--model", str(base), "--train_type", "lora",
        "--dataset", f"{asked.rows}#50", "--num_train_epochs", "10", "--learning_rate", "1e-4",
        "--per_device_train_batch_size", "1", "--gradient_accumulation_steps", "16",
        "--lora_rank", "8", "--lora_alpha", "32", "--target_modules", "all-linear",
        "--max_length", "2048", "--warmup_ratio", "0.05", "--torch_dtype", "bfloat16",
        "--system", "You are a helpful assistant.", "--model_author", "swift",
        "--model_name", "swift-robot", "--output_dir", str(run), *more, "--json",
    ]  # fmt: skip
    wall, done = timed(command)
    print(done.stderr[-3000:], file=sys.stderr)
    return json.loads(done.stdout.strip().splitlines()[-1]), done.returncode, wall


def anchors_cost(asked: argparse.Namespace, base: Path, device: str) -> None:
    """Defaults against no anchors, by turns on the same card."""
    settings: dict[str, tuple[str, ...]] = {"defaults": (), "no_anchors": ("--anchor_ratio", "0")}
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in settings}
    for turn in range(asked.anchors_cost):
        for name, more in settings.items():
            report, status, wall = job(asked, base, asked.work / f"{name}-{turn}", *more)
            line = summary(report, status, wall)
            if "seconds" not in line:
                raise SystemExit(json.dumps(line))
            kept = ("wall_s", "seconds", "adapter_saved_s", "updates", "tokens",
                    "update_ms_median", "peak_gib")  # fmt: skip
            found[name].append({key: line[key] for key in kept})

    def middle(name: str, value: Callable[[dict[str, Any]], float]) -> float:
        return statistics.median(map(value, found[name]))

    def ratio(value: Callable[[dict[str, Any]], float]) -> float:
        return round(middle("defaults", value) / middle("no_anchors", value), 3)

    written(asked, "anchors_cost", {
        "training_ratio": ratio(lambda line: line["seconds"]["train"]),
        "update_ratio": ratio(lambda line: line["update_ms_median"]),
        "start_to_adapter_ratio": ratio(lambda line: line["adapter_saved_s"]),
        "training_s": {name: round(middle(name, lambda x: x["seconds"]["train"]), 3)
                       for name in settings},
        "runs": found, **about_here(asked, device),
    })  # fmt: skip


def about_here(asked: argparse.Namespace, device: str) -> dict[str, Any]:
    import torch

    return {
        "device": torch.cuda.get_device_name() if device == "cuda" else "cpu",
        "date": datetime.now(timezone.utc).date().isoformat(), "shrunk": asked.shrink,
    }  # fmt: skip


def written(asked: argparse.Namespace, name: str, result: dict[str, Any]) -> None:
    """Printed; and kept, unless the model was only for a try."""
    if not asked.shrink:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"{name}.json").write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


def summary(report: dict[str, Any], status: int, wall: float) -> dict[str, Any]:
    """The figures that matter of a run's report."""
    if "steps" not in report:  # refused
        return {"status": status, "findings": report["findings"]}
    steps = report["steps"]
    return {
        "status": status,
        "reasons": report["reasons"],
        "wall_s": round(wall, 2),
        "seconds": report["seconds"],
        "adapter_saved_s": round(
            sum(report["seconds"][k] for k in ("startup", "load", "base_answers", "train")), 2
        ),
        "updates": len(steps),
        "tokens": sum(step["tokens"] for step in steps),
        "update_ms_median": round(sorted(s["seconds"] for s in steps)[len(steps) // 2] * 1000, 1),
        "first_loss": steps[0]["loss"],
        "last_loss": steps[-1]["loss"],
        "peak_gib": round(max(step["memory_bytes"] for step in steps) / 2**30, 2),
        "proof": report["proof"],
        "versions": report["versions"],
    }


if __name__ == "__main__":
    main()
