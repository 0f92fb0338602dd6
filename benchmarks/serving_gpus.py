"""`suretune serve --num_gpus N` beside `serve` on one GPU, under one load, in one call.

    python benchmarks/serving_gpus.py --config CONFIG.json --tokenizer FOLDER --commit HASH

Random weights of a model's shape and a random adapter. 64 and 256 clients ask for 128 tokens each,
streamed, at temperature 0, the same questions of every server, one server after the other, each as
often as `--rounds` says, in turn. Writes benchmarks/results/serving_gpus.json after every part.

`--seqs` is `--max_num_seqs`, of each engine. An engine reads its weights once a step whatever the
number of rows: few clients on two GPUs are half as many rows for each, and no step is shorter for
it by half. `--shrink --device cpu` tries the machinery on two narrow layers (give it an --out).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import time
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any

from serve import HERE, QUESTION, TOKENS, Served, crowd, device_name, prepare, up

OUT = HERE / "results" / "serving_gpus.json"
Result = dict[str, Any]


def server(asked: argparse.Namespace, gpus: int) -> Served:
    """The command, the same but for the number of GPUs."""
    command = (
        "-m", "suretune", "serve", str(asked.work / "adapter"), "--model",
        str(asked.work / "model"), "--allow_unverified", "true", "--served_model_name", "tuned",
        "--max_num_seqs", str(asked.seqs), "--max_queue", str(max(256, *asked.clients)),
        "--max_model_len", "1024", "--num_gpus", str(gpus), "--device", asked.device,
    )  # fmt: skip
    usage = {"stream_options": {"include_usage": True}}
    return Served(f"{gpus} GPUs", command, "tuned", usage, "/ready")


def measure(asked: argparse.Namespace, gpus: int) -> Result:
    """One server's start and its figures at each number of clients, the largest crowd first."""
    told: Result = {"clients": {}}
    served = server(asked, gpus)
    with up(served, asked) as (address, seconds):
        told["up_s"] = round(seconds, 1)
        for clients in sorted(asked.clients, reverse=True):
            asyncio.run(crowd(address, served, clients, 1, 16))  # graphs of every size, kernels
        for clients in sorted(asked.clients, reverse=True):
            each = max(1, asked.requests // clients)
            told["clients"][str(clients)] = asyncio.run(
                crowd(address, served, clients, each, asked.tokens)
            )
            print(gpus, clients, told["clients"][str(clients)], file=sys.stderr, flush=True)
    return told


def beside_one(runs: list[Result], clients: list[int], gpus: list[int]) -> Result:
    """Median tokens a second of each, and how many times those of the smallest number of GPUs."""
    told: Result = {}
    for count in clients:
        speed = {
            n: statistics.median(
                run["clients"][str(count)]["tok_s"] for run in runs if run["gpus"] == n
            )
            for n in gpus
            if any(run["gpus"] == n for run in runs)
        }
        first = speed[min(speed)]
        told[str(count)] = {
            str(n): {"tok_s": value, "times": round(value / first, 3)} for n, value in speed.items()
        }
    return told


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--tokenizer", type=Path, required=True)
    parser.add_argument("--commit", required=True)
    parser.add_argument("--gpus", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--clients", type=int, nargs="+", default=[64, 256])
    parser.add_argument("--requests", type=int, default=512, help="of all clients together")
    parser.add_argument("--tokens", type=int, default=TOKENS)
    parser.add_argument("--seqs", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--work", type=Path, default=Path("/tmp/serving-gpus"))
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--shrink", action="store_true")
    asked = parser.parse_args()
    for name in ("config", "tokenizer", "work"):
        setattr(asked, name, getattr(asked, name).resolve())
    return asked


def main() -> None:
    """Measure, and write after every part."""
    asked = arguments()
    start = time.monotonic()
    prepare(asked, peers=False)
    told: Result = {
        "device": device_name(asked.device),
        "versions": {name: version(name) for name in ("torch", "starlette", "uvicorn")},
        "date": datetime.now(timezone.utc).date().isoformat(),
        "commit": asked.commit,
        "model": asked.config.name,
        "shrunk": asked.shrink,
        "question": QUESTION,
        "tokens": asked.tokens,
        "max_num_seqs": asked.seqs,
        "runs": [],
    }
    for gpus in asked.gpus * asked.rounds:
        told["runs"].append({"gpus": gpus, **measure(asked, gpus)})
        told["beside_one"] = beside_one(told["runs"], asked.clients, asked.gpus)
        told["seconds"] = round(time.monotonic() - start, 1)
        asked.out.parent.mkdir(parents=True, exist_ok=True)
        asked.out.write_text(json.dumps(told, indent=1) + "\n", "utf-8")
    print(json.dumps(told["beside_one"]))


if __name__ == "__main__":
    main()
