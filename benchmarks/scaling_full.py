"""Full fine-tuning in shards: the same updates by one GPU where it fits, and by several.

    PYTHONPATH=src python benchmarks/scaling_full.py --shape 7b --gpus 2 --out full_7b.json
    PYTHONPATH=src python benchmarks/scaling_full.py --shape 0.5b --gpus 1 2 --out full_05b.json

As `scaling.py`: random weights in a model's shape, rows of random tokens, every number of GPUs a
process of its own, in turn. Told are the median of the timed updates, the peak of each card as
torch allocated it beside what `suretune check` forecasts, and the peak while all weights are
gathered to be asked. On a CPU, to try the script: `--shape tiny --device cpu`.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import torch
from engine_full import alone, begin, shape_of_whole
from scaling import SHAPES, Random, arguments, by_turns, job, random_model, timed, written

from suretune.model.device import limit_memory
from suretune.model.full import Whole
from suretune.model.memory import least_needed
from suretune.options import EngineOptions
from suretune.options_lora import LoraOptions
from suretune.train import follower, muster
from suretune.train.dealt import answers_of
from suretune.train.engine_plan import adopt, least_plan, make_engine, pass_plan_of_engine
from suretune.train.errands import Adopt, Done, Hold, Ready
from suretune.train.loop import Learner, make_scale
from suretune.train.place import place_of
from suretune.train.sharded import Led, Sharded
from suretune.train.shards import PlainShard, ShardAdamW, ShardedWhole
from suretune.train.world import Alone, World
from suretune.types import Plan, Sample


def learner_of(
    world: World,
    whole: Whole,
    options: EngineOptions,
    work: tuple[list[Sample], Plan],
) -> Learner:
    """As `run/fit.py` and `run/crew.py` make it."""
    if world.size == 1:
        return alone(whole, options, work)[0]
    device = next(whole.model.parameters()).device
    dtype = str(whole.model.dtype).removeprefix("torch.")
    answers_of(world, Ready)
    world.open(device)
    tuned = ShardedWhole(whole, world)
    own = ShardAdamW(tuned, 0.0, world)
    made = make_engine(tuned, own, options, device, *work).engine
    if not isinstance(made, PlainShard):
        raise TypeError(type(made).__name__)
    said = answers_of(world, Ready)
    least = least_plan([pass_plan_of_engine(made), *(answer.plan for answer in said)])
    world.tell([Adopt(least)] * len(said))
    adopt(made, least)
    answers_of(world, Done)
    led = Led(own, world)
    return Learner(tuned, led, Sharded(made, led, world), make_scale(dtype), device, 1.0)


def one(asked: argparse.Namespace) -> dict[str, Any]:
    """The job by `--one` GPUs: seconds of each timed update, losses, and memory."""
    size, cuda = asked.one, asked.device == "cuda"
    options = EngineOptions(recompute="layer", tokens_per_pass=asked.tokens_per_pass)
    samples, plan = job(asked)
    muster.FOLLOWER = (str(Path(__file__).resolve()), "--follow")
    world: World = Alone()
    if size > 1:
        world = muster.start(size, dict(os.environ), gpus=cuda)
    with closing(world):
        device = torch.device(asked.device)
        limit_memory(options, device)
        dtype = "bfloat16" if cuda else "float32"
        base: Any = Random(asked.shape)
        model = random_model(base, torch.device("meta"), dtype)
        learned = frozenset(name for name, _ in model.named_parameters())
        hold = Hold(
            base=base, fingerprint=base.fingerprint(), device=asked.device, dtype=dtype,
            lora=LoraOptions(), seed=1, commit=None, engine=options, samples=samples, plan=plan,
            before=None, learned=learned,
        )  # fmt: skip
        world.tell([hold] * (size - 1))
        whole = begin(random_model(base, device, dtype), learned, base, keep=size == 1)
        learner = learner_of(world, whole, options, (samples, plan))
        seconds, losses = timed(asked, learner, samples, plan)
        training, asking = peak(cuda), time.perf_counter()
        if cuda:
            torch.cuda.reset_peak_memory_stats()
        with learner.engine.tuned():
            gathered = time.perf_counter() - asking
        config = {"model_type": "qwen2", "tie_word_embeddings": False, **SHAPES[asked.shape]}
        shape = shape_of_whole(config, 2 if cuda else 4, size)
        share = sum(row.learned for row in samples) / sum(len(row.ids) for row in samples)
        tokens = learner.engine.tokens_per_pass
        return {
            "gpus": size,
            "seconds": seconds,
            "losses": losses,
            "peak_bytes": training,
            "peak_bytes_asked": peak(cuda),
            "forecast_bytes": least_needed(shape, 0, tokens, int(tokens * share)),
            "seconds_to_gather": gathered,
            "trained": learner.adapters.learned,
            "tokens_per_pass": learner.engine.tokens_per_pass,
            "device": torch.cuda.get_device_name() if cuda else "cpu",
        }


def peak(cuda: bool) -> int | None:
    """Bytes that torch has held on this card at most."""
    return torch.cuda.max_memory_allocated() if cuda else None


def told(runs: list[dict[str, Any]], asked: argparse.Namespace) -> dict[str, Any]:
    """The runs of each number of GPUs as one."""
    found = []
    for size in asked.gpus:
        mine = [run for run in runs if run["gpus"] == size]
        seconds = [value for run in mine for value in run["seconds"]]
        median = statistics.median(seconds)
        about = {name: value for name, value in mine[0].items() if name != "seconds"}
        speed = {"median_seconds": median, "tokens_per_second": asked.tokens / median}
        found.append({**about, "updates_timed": len(seconds), **speed})
    first = found[0]
    for line in found:
        pairs = zip(line["losses"], first["losses"], strict=True)
        line["loss_gap"] = max(abs(a - b) / abs(b) for a, b in pairs)
    return {
        "what": "full fine-tuning in shards, the same updates",
        "shape": asked.shape,
        "torch": torch.__version__,
        "tokens_per_update": asked.tokens,
        "command": " ".join(["python", "benchmarks/scaling_full.py", *sys.argv[1:]]),
        "runs": found,
    }


def main() -> None:
    parser = arguments(__doc__, gpus=[2], warm=2, updates=6, rounds=1)
    parser.add_argument("--tokens-per-pass", type=int, help="what the engine would choose")
    asked = parser.parse_args()
    if asked.follow:
        setattr(follower, "load_base", random_model)  # noqa: B010
        setattr(follower, "begin_whole", begin)  # noqa: B010
        raise SystemExit(follower.begin(place_of(os.environ)))
    if asked.one:
        print(json.dumps(one(asked)))
        return
    written(told(by_turns(__file__, asked), asked), asked.out)


if __name__ == "__main__":
    main()
