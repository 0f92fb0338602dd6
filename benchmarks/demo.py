"""Where the time of `suretune demo` goes.

    PYTHONPATH=src python benchmarks/demo.py --commit HASH [--times 3]

The whole command, and of it what its run's report counts: `startup` until the run begins, `load`,
the base's answers, `train` with all that is asked on the way, the dose, and the proof, of which the
general questions are told apart. `elsewhere` is the command's without these. The base's answers to
the proof's general questions are kept in a cache of the benchmark's own, which begins empty: the
first run asks them, as a new user's does. What was measured on another device stays in the file.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any

from serve import HERE, device_name, environment

PHASES = ("startup", "load", "base_answers", "train", "dose", "proof")


def once(asked: argparse.Namespace, number: int) -> dict[str, Any]:
    """Seconds of one demo by its phases; RuntimeError where it is not sealed."""
    run, said = asked.work / f"run{number}", asked.work / f"run{number}.log"
    variables = environment(asked) | {"XDG_CACHE_HOME": str(asked.work / "cache")}
    command = [sys.executable, "-m", "suretune", "demo", "--output_dir", str(run)]
    began = time.perf_counter()
    with said.open("wb") as file:
        status = subprocess.run(command, stdout=file, stderr=file, env=variables).returncode
    whole = time.perf_counter() - began
    if status:
        raise RuntimeError(said.read_text("utf-8")[-3000:])
    report = json.loads((run / "report.json").read_text("utf-8"))
    spent = report["seconds"]
    general = {f"general_{part}": value for part, value in report["general"]["seconds"].items()}
    phases = {name: spent[name] for name in PHASES}
    return {
        "command": round(whole, 2), **phases, "elsewhere": round(whole - spent["total"], 2),
        **general, "updates": len((run / "steps.jsonl").read_text("utf-8").splitlines()),
    }  # fmt: skip


def main() -> None:
    """Measure, and write after every demo."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--commit", required=True)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--work", type=Path, default=Path("/tmp/demo-times"))
    parser.add_argument("--out", type=Path, default=HERE / "results" / "demo.json")
    asked = parser.parse_args()
    shutil.rmtree(asked.work, ignore_errors=True)
    asked.work.mkdir(parents=True)
    told: dict[str, Any] = {
        "device": device_name(asked.device), "cores": len(os.sched_getaffinity(0)),
        "versions": {name: version(name) for name in ("torch", "transformers", "peft")},
        "date": datetime.now(timezone.utc).date().isoformat(), "commit": asked.commit,
        "command": " ".join(["python", "benchmarks/demo.py", *sys.argv[1:]]), "runs": [],
    }  # fmt: skip
    known = json.loads(asked.out.read_text("utf-8")) if asked.out.exists() else {}
    for number in range(1, asked.times + 1):
        told["runs"].append(once(asked, number))
        print(json.dumps(told["runs"][-1]), flush=True)
        names = told["runs"][0]
        told["medians"] = {
            name: round(statistics.median(run[name] for run in told["runs"]), 2) for name in names
        }
        known[told["device"]] = told
        asked.out.write_text(json.dumps(known, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
