"""One GPU against several: the battery's general questions asked of base and tuned model.

    PYTHONPATH=src python benchmarks/asking.py --gpus 1 2 --out benchmarks/results/asking.json

Random weights in a model's shape; random tokens in the place of the battery's questions, as many
and about as long. Nothing ends an answer before the limit of its question, so every number of GPUs
decodes the same number of tokens, which is the most that the battery can take. Each number of GPUs
is a process of its own, `--rounds` times in turn; each asks everything once, which captures its
graphs, and then again, which is timed beside it. On a CPU, to try the script:
`--shape tiny --device cpu --questions 24`.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import time
from typing import Any

import torch
from scaling import SHAPES, arguments, job, opened, random_model, written

from suretune.battery.items import proof_questions
from suretune.model.generate import spoken
from suretune.train import follower
from suretune.train.door import Engine
from suretune.train.place import place_of
from suretune.verify.general import LIMITS, limit_of

HEAD = 24  # tokens of a template and a system prompt
LETTERS = 3  # of a question, a token


def questions(asked: argparse.Namespace) -> list[tuple[list[int], int]]:
    """(prompt, limit of its answer) of each."""
    pick, words = random.Random(1), SHAPES[asked.shape]["vocab_size"]
    made = []
    for question in proof_questions()[: asked.questions]:
        length = HEAD + len(question.asked) // LETTERS
        made.append(([pick.randrange(words) for _ in range(length)], limit_of(question.tokens)))
    return made


def seconds_of(engine: Engine, asked: argparse.Namespace, base: bool) -> tuple[float, int]:
    """(seconds, tokens) of all answers, as `verify/general.ask_all` asks."""
    begin, tokens = time.perf_counter(), 0
    with engine.base() if base else engine.tuned() as model:
        for limit in LIMITS:
            mine = [prompt for prompt, most in questions(asked) if most == limit]
            tokens += sum(map(len, spoken(model, mine, frozenset(), limit)))
    return time.perf_counter() - begin, tokens


def one(asked: argparse.Namespace) -> dict[str, Any]:
    """Everything asked by `--one` GPUs."""
    with opened(asked, job(asked)) as (_, _, engine):
        found: dict[str, Any] = {"gpus": asked.one}
        for turn in ("cold", "warm"):
            for who in ("base", "tuned"):
                found[f"{who}_{turn}"], found["tokens"] = seconds_of(engine, asked, who == "base")
    found["device"] = torch.cuda.get_device_name() if asked.device == "cuda" else "cpu"
    return found


def told(runs: list[dict[str, Any]], asked: argparse.Namespace) -> dict[str, Any]:
    """Medians of each number of GPUs, in seconds, and how many times the first they are as fast."""
    names = [f"{who}_{turn}" for turn in ("cold", "warm") for who in ("base", "tuned")]
    found: list[dict[str, Any]] = []
    for size in asked.gpus:
        mine = [run for run in runs if run["gpus"] == size]
        line: dict[str, Any] = {"gpus": size, "rounds": len(mine), "tokens": mine[0]["tokens"]}
        for name in names:
            line[name] = statistics.median(run[name] for run in mine)
        found.append(line)
    for line in found:
        line["speedup"] = {name: found[0][name] / line[name] for name in names}
    return {
        "what": "general questions asked by one GPU and by several",
        "shape": asked.shape,
        "questions": len(questions(asked)),
        "device": runs[0]["device"],
        "torch": torch.__version__,
        "command": " ".join(["python", "benchmarks/asking.py", *sys.argv[1:]]),
        "runs": found,
    }


def main() -> None:
    parser = arguments(__doc__, gpus=[1, 2], warm=0, updates=1, rounds=2)
    parser.add_argument("--questions", type=int, default=None, help="the first so many; all")
    asked = parser.parse_args()
    if asked.follow:
        setattr(follower, "load_base", random_model)  # noqa: B010
        raise SystemExit(follower.begin(place_of(os.environ)))
    if asked.one:
        print(json.dumps(one(asked)))
        return
    runs = []
    for _ in range(asked.rounds):
        for size in asked.gpus:
            words = [sys.executable, __file__, *sys.argv[1:], "--one", str(size)]
            done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True)
            runs.append(json.loads(done.stdout.strip().splitlines()[-1]))
            seconds = {name: value for name, value in runs[-1].items() if "_" in name}
            print(f"{size} GPUs: {seconds}", file=sys.stderr, flush=True)
    written(told(runs, asked), asked.out)


if __name__ == "__main__":
    main()
