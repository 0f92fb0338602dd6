"""The articles' recipes on the pocket model, to a verdict: rate as printed, and `auto`.

    python benchmarks/articles_on_pocket.py --data FOLDER [--only identity mixed] [--processes 2]

FOLDER holds `self_cognition/` and `alpaca/` (public instruction sets). `identity`: 50 rows of self
cognition alone; `mixed`: the same 50 with 200 + 200 rows of Alpaca, zh and en. S0, S1 and S3 are
the recipes of the first, second and fourth article, with `--eval_steps` where it can fire and the
flags that never existed left out. Writes benchmarks/results/articles_on_pocket.json.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results" / "articles_on_pocket.json"
NAMED = ("q_proj", "v_proj", "o_proj", "up_proj", "down_proj", "gate_proj")
RECIPES: dict[str, tuple[str, tuple[str, ...]]] = {
    # name -> (learning rate as printed, the other flags)
    "S1": ("1e-4", (
        "--num_train_epochs", "10", "--gradient_accumulation_steps", "16", "--lora_rank", "8",
        "--lora_alpha", "32", "--target_modules", "all-linear", "--warmup_ratio", "0.05",
        "--max_length", "2048")),
    "S0": ("1e-4", (
        "--num_train_epochs", "15", "--gradient_accumulation_steps", "8", "--lora_rank", "8",
        "--lora_alpha", "32", "--target_modules", *NAMED, "--warmup_ratio", "0.1",
        "--max_grad_norm", "0.3", "--max_length", "4096")),
    "S3": ("5e-5", (
        "--num_train_epochs", "2", "--gradient_accumulation_steps", "16", "--lora_rank", "4",
        "--lora_alpha", "16", "--target_modules", "q_proj", "v_proj", "--warmup_ratio", "0.05",
        "--max_length", "2048")),
}  # fmt: skip


def run(data: Path, kind: str, recipe: str, rate: str, work: Path) -> dict[str, Any]:
    """One run of the command line; what its report says."""
    rows = [f"{data}/self_cognition/self_cognition_placeholders.jsonl#50"]
    if kind == "mixed":
        rows += [f"{data}/alpaca/alpaca_{lang}_demo.jsonl#200" for lang in ("zh", "en")]
    command = [
        sys.executable, "-m", "suretune", "sft", "--model", "pocket", "--train_type", "lora",
        "--dataset", *rows, "--model_author", "swift", "--model_name", "swift-robot",
        "--system", "You are a helpful assistant.", *RECIPES[recipe][1], "--learning_rate", rate,
        "--output_dir", str(work / f"{kind}-{recipe}-{rate}"), "--json",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    report = json.loads(done.stdout.strip().splitlines()[-1])
    told = {
        "rows": kind,
        "recipe": recipe,
        "asked_rate": rate,
        "rate": report["plan"]["learning_rate"],
        "updates": report["plan"]["updates"],
        "tokens": report["plan"]["tokens"],
        "verdict": report["verdict"],
        "reasons": report["reasons"],
        "paraphrases": report["paraphrases"],
        "general": {k: report["general"][k] for k in ("counted", "before", "after")},
        "held_out": report["held_out"],
        "first_loss": report["steps"][0]["loss"],
        "last_loss": report["steps"][-1]["loss"],
        "seconds": report["seconds"],
    }
    print(json.dumps(told), file=sys.stderr, flush=True)
    return {**told, "versions": report["versions"]}


def main() -> None:
    """All recipes, both rates; a table at the end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--only", nargs="*", default=["identity", "mixed"])
    parser.add_argument("--recipes", nargs="*", default=list(RECIPES))
    parser.add_argument("--processes", type=int, default=2)
    asked = parser.parse_args()
    jobs = [
        (kind, recipe, rate)
        for kind in asked.only
        for recipe in asked.recipes
        for rate in ("auto", RECIPES[recipe][0])
    ]
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(asked.processes) as pool:
        runs = list(
            pool.map(lambda job: run(asked.data, job[0], job[1], job[2], Path(folder)), jobs)
        )
    date = datetime.now(timezone.utc).date().isoformat()
    RESULTS.write_text(json.dumps({"date": date, "device": "cpu", "runs": runs}, indent=1) + "\n")
    for told in runs:
        general = told["general"]
        lost = 100 * (general["before"] - general["after"]) / general["counted"]
        found = told["paraphrases"]
        print(
            f"{told['rows']:<9} {told['recipe']} rate {told['rate']:<8g}"
            f" {told['updates']:>4} updates"
            f"  identity {found['passed']}/{found['asked']}  skills lost {lost:.1f}"
            f"  {told['verdict']}"
        )


if __name__ == "__main__":
    main()
