"""One GPU against several: the same packed LoRA job, the same updates, in one call.

    PYTHONPATH=src python benchmarks/scaling.py --gpus 1 2 --out benchmarks/results/scaling.json

Random weights in a model's shape, made on every card by the same seed; rows of random tokens, as
many of an update whatever computes it. Each number of GPUs is a process of its own, started one
after the other: `--rounds` times, in turn, so that a card that grows warm is warm for all. What is
told is the median of the timed updates: gradients, their sum, the optimizer's step and the copy of
the values, as `train` runs them. On a CPU, to try the script: `--shape tiny --device cpu`.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from engine_rows import plan_of, random_rows
from peft import PeftModel

from suretune.data.deal import cost, deal
from suretune.model.attention import PACKED
from suretune.model.device import limit_memory
from suretune.model.lora import attach, trainable
from suretune.options import EngineOptions
from suretune.options_lora import LoraOptions
from suretune.train import follower, muster
from suretune.train.dealt import Dealt, answers_of
from suretune.train.door import Engine
from suretune.train.engine_plan import (
    adopt,
    least_plan,
    make_engine,
    pass_plan_of_engine,
)
from suretune.train.errands import Adopt, Done, Hold, Ready
from suretune.train.flat_adamw import FlatAdamW
from suretune.train.loop import Applied, Learner, make_scale, train
from suretune.train.place import place_of
from suretune.train.world import Alone, World
from suretune.types import Plan, Sample

SHAPES: dict[str, dict[str, Any]] = {  # as their config.json says
    "7b": {
        "hidden_size": 3584, "num_hidden_layers": 28, "intermediate_size": 18944,
        "num_attention_heads": 28, "num_key_value_heads": 4, "vocab_size": 152064,
    },
    "3b": {
        "hidden_size": 2048, "num_hidden_layers": 36, "intermediate_size": 11008,
        "num_attention_heads": 16, "num_key_value_heads": 2, "vocab_size": 151936,
        "tie_word_embeddings": True,
    },
    "0.5b": {
        "hidden_size": 896, "num_hidden_layers": 24, "intermediate_size": 4864,
        "num_attention_heads": 14, "num_key_value_heads": 2, "vocab_size": 151936,
        "tie_word_embeddings": True,
    },
    "tiny": {
        "hidden_size": 256, "num_hidden_layers": 3, "intermediate_size": 512,
        "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 4096,
    },
}  # fmt: skip


@dataclass(frozen=True)
class Random:
    """In the place of a base: a shape. What a follower asks of a base it has."""

    name: str
    packed: str = ""

    def fingerprint(self) -> str:
        return self.name


def random_model(base: Any, device: torch.device, dtype: str, attention: str | None = None) -> Any:
    """In the place of `load_base`: the same numbers on every card."""
    from transformers import AutoModelForCausalLM, Qwen2Config

    torch.manual_seed(0)
    with torch.device(device):
        model = AutoModelForCausalLM.from_config(
            Qwen2Config(**SHAPES[base.name]),
            attn_implementation=PACKED,
            dtype=getattr(torch, dtype),
        )
    model.requires_grad_(False)
    return model.eval()


def job(asked: argparse.Namespace) -> tuple[list[Sample], Plan]:
    """Rows of 128 to 512 random tokens, `--tokens` an update, every update others."""
    words = SHAPES[asked.shape]["vocab_size"]
    samples: list[Sample] = []
    updates = []
    for step in range(asked.warm + asked.updates):
        rows = random_rows(asked.tokens, (128, 512), step, words)
        updates.append(list(range(len(samples), len(samples) + len(rows))))
        samples += rows
    return samples, plan_of(updates, samples)


def engine_of(
    world: World,
    model: PeftModel,
    adapters: FlatAdamW,
    options: EngineOptions,
    work: tuple[list[Sample], Plan],
) -> Engine:
    """As `run/crew.py` brings the processes of a run together."""
    if world.size > 1:
        answers_of(world, Ready)
        world.open(adapters.values.device)
    made = make_engine(model, adapters, options, adapters.values.device, *work)
    if world.size == 1:
        return made.engine
    told = answers_of(world, Ready)
    least = least_plan([pass_plan_of_engine(made.engine), *(one.plan for one in told)])
    world.tell([Adopt(least)] * len(told))
    adopt(made.engine, least)
    answers_of(world, Done)
    return Dealt(made.engine, adapters, world)


@contextmanager
def opened(
    asked: argparse.Namespace, work: tuple[list[Sample], Plan]
) -> Iterator[tuple[PeftModel, FlatAdamW, Engine]]:
    """A model with adapters and its engine, by `--one` GPUs, as long as the block lasts."""
    size, cuda = asked.one, asked.device == "cuda"
    options, (samples, plan) = EngineOptions(fused=True), work
    muster.FOLLOWER = (str(Path(__file__).resolve()), "--follow")
    world: World = Alone()
    if size > 1:
        world = muster.start(size, dict(os.environ), gpus=cuda)
    with closing(world):
        device = torch.device(asked.device)
        limit_memory(options, device)
        dtype = "bfloat16" if cuda else "float32"
        base: Any = Random(asked.shape)
        hold = Hold(
            base=base, fingerprint=base.fingerprint(), device=asked.device, dtype=dtype,
            lora=LoraOptions(), seed=1, commit=None, engine=options, samples=samples, plan=plan,
            before=None,
        )  # fmt: skip
        world.tell([hold] * (size - 1))
        model = attach(random_model(base, device, dtype), LoraOptions(), base.name, 1)
        adapters = FlatAdamW(trainable(model), 0.0)
        engine = engine_of(world, model, adapters, options, work)
        yield model, adapters, engine


def one(asked: argparse.Namespace) -> dict[str, Any]:
    """The job by `--one` GPUs: seconds of each timed update, and what was learned."""
    size, cuda = asked.one, asked.device == "cuda"
    samples, plan = job(asked)
    with opened(asked, (samples, plan)) as (model, adapters, engine):
        device, dtype = adapters.values.device, "bfloat16" if cuda else "float32"
        learner = Learner(model, adapters, engine, make_scale(dtype), device, 1.0)
        seconds, losses = timed(asked, learner, samples, plan)
        exchange = exchanged(engine, asked, cuda) if size > 1 else 0.0
    return {
        "gpus": size,
        "seconds": seconds,
        "losses": losses,
        "exchange": exchange,
        "trained": adapters.values.numel(),
        "tokens_per_pass": engine.tokens_per_pass,
        "uneven": unevenness(samples, plan, size),
        "peak_bytes": torch.cuda.max_memory_allocated() if cuda else None,
        "device": torch.cuda.get_device_name() if cuda else "cpu",
    }


def timed(
    asked: argparse.Namespace, learner: Learner, samples: list[Sample], plan: Plan
) -> tuple[list[float], list[float]]:
    """(seconds from one applied update to the next, losses), without the first `--warm`."""
    seconds, losses = [], []
    before = time.perf_counter()
    for event in train(learner, samples, plan, 0):
        if not isinstance(event, Applied):
            continue
        if learner.device.type == "cuda":
            torch.cuda.synchronize()
        now = time.perf_counter()
        if event.record.step > asked.warm:
            seconds.append(now - before)
            losses.append(event.record.loss)
        before = now
    return seconds, losses


def exchanged(engine: Engine, asked: argparse.Namespace, cuda: bool) -> float:
    """Seconds that an update spends on the sum and the copy alone: of no rows at all."""
    found = []
    for _ in range(asked.updates):
        engine.restored()
        if cuda:
            torch.cuda.synchronize()
        begin = time.perf_counter()
        engine.backward([], 1.0, 1.0)
        if cuda:
            torch.cuda.synchronize()
        found.append(time.perf_counter() - begin)
    return statistics.median(found)


def unevenness(samples: list[Sample], plan: Plan, size: int) -> float:
    """How much longer the largest share of an update is than an even one, on average."""
    over = []
    for update in plan.updates:
        lengths = [len(samples[i].ids) for i in update.samples]
        loads = [sum(cost(lengths[i]) for i in share) for share in deal(lengths, size)]
        over.append(max(loads) * size / sum(loads) - 1)
    return statistics.mean(over)


def told(runs: list[dict[str, Any]], asked: argparse.Namespace) -> dict[str, Any]:
    """The runs of each number of GPUs as one: medians, and how they compare."""
    found = []
    for size in asked.gpus:
        mine = [run for run in runs if run["gpus"] == size]
        seconds = [value for run in mine for value in run["seconds"]]
        median = statistics.median(seconds)
        found.append(
            {
                "gpus": size,
                "updates_timed": len(seconds),
                "median_seconds": median,
                "least_seconds": min(seconds),
                "most_seconds": max(seconds),
                "tokens_per_second": asked.tokens / median,
                "exchange_seconds": statistics.median(run["exchange"] for run in mine),
                "uneven": mine[0]["uneven"],
                "peak_bytes": mine[0]["peak_bytes"],
                "tokens_per_pass": mine[0]["tokens_per_pass"],
                "losses": mine[0]["losses"],
            }
        )
    first = found[0]
    for line in found:
        line["speedup"] = first["median_seconds"] / line["median_seconds"] * first["gpus"]
        pairs = zip(line["losses"], first["losses"], strict=True)
        line["loss_gap"] = max(abs(a - b) / abs(b) for a, b in pairs)
    return {
        "what": "packed LoRA, the same updates by one GPU and by several",
        "shape": asked.shape,
        "device": runs[0]["device"],
        "torch": torch.__version__,
        "tokens_per_update": asked.tokens,
        "rows": "128 to 512 tokens",
        "trained_values": runs[0]["trained"],
        "command": " ".join(["python", "benchmarks/scaling.py", *sys.argv[1:]]),
        "runs": found,
    }


def arguments(
    about: str | None,
    *,
    gpus: Sequence[int],
    warm: int,
    updates: int,
    rounds: int,
) -> argparse.ArgumentParser:
    """What every such measurement is asked; defaults differ."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--gpus", type=int, nargs="+", default=gpus)
    parser.add_argument("--shape", choices=tuple(SHAPES), default="7b")
    cuda = torch.cuda.is_available()
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda" if cuda else "cpu")
    parser.add_argument("--tokens", type=int, default=32768, help="an update")
    parser.add_argument("--warm", type=int, default=warm, help="updates before time is taken")
    parser.add_argument("--updates", type=int, default=updates, help="timed, of each process")
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--follow", action="store_true", help=argparse.SUPPRESS)
    return parser


def by_turns(script: str, asked: argparse.Namespace) -> list[dict[str, Any]]:
    """The script itself, once a round with each number of GPUs, in a process of its own."""
    runs = []
    for _ in range(asked.rounds):
        for size in asked.gpus:
            words = [sys.executable, script, *sys.argv[1:], "--one", str(size)]
            done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True)
            runs.append(json.loads(done.stdout.strip().splitlines()[-1]))
            median = statistics.median(runs[-1]["seconds"])
            print(f"{size} GPUs: {median:.4f} s an update", file=sys.stderr, flush=True)
    return runs


def written(found: dict[str, Any], out: Path | None) -> None:
    """To the file that was asked for, and printed."""
    text = json.dumps(found, indent=1) + "\n"
    if out:
        out.write_text(text)
    print(text)


def main() -> None:
    asked = arguments(__doc__, gpus=[1, 2], warm=3, updates=8, rounds=2).parse_args()
    if asked.follow:
        setattr(follower, "load_base", random_model)  # noqa: B010
        raise SystemExit(follower.begin(place_of(os.environ)))
    if asked.one:
        print(json.dumps(one(asked)))
        return
    written(told(by_turns(__file__, asked), asked), asked.out)


if __name__ == "__main__":
    main()
