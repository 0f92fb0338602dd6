"""How fast the fast engine trains each architecture that it knows, beside the plain path.

    PYTHONPATH=src python benchmarks/families_speed.py [--only qwen2 olmo3 ...] [--commit HASH]

Random weights in the sizes of a published checkpoint (`families_shapes.py`), LoRA of the default
rank on every linear layer, one pack of 2,048 tokens an update, nothing computed twice. The plain
path is `--fused false`: transformers' own layers, PEFT's adapters and autograd over the same packed
rows. It goes first, on the model as transformers made it; the fast engine begins from the same
adapters, and told is how far the first update's gradients of both lie apart.

Work is counted as `Shape.flops` does: 4 x (weights of the layers' linear maps x tokens + those of
the head x learned tokens) FLOPs an update, forward and back to the inputs; attention, norms and
adapters are left out, so TFLOP/s are comparable from model to model and a little too few.

Written after every family, so that a call that is cut keeps what it has; called again on the same
kind of card, it measures anew what is named and keeps the rest. A family that the engine refuses is
told with the reason; one that ends the process, with the end of what it said. To try the script:
`--shrink --device cpu --out FILE`.
"""

from __future__ import annotations

import argparse
import gc
import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any

from families_shapes import CHECKPOINTS

OUT = Path(__file__).resolve().parent / "results" / "families.json"
PACKAGES = ("torch", "transformers", "peft")
TOKENS, ROWS = 2048, (128, 512)  # of a pack, and of its rows
FEW, FEW_ROWS = 256, (16, 64)  # the same, narrow
WARM = {"plain": 3, "fast": 5}  # updates that are not counted
SECONDS = 120  # for one family

Result = dict[str, Any]


def measured(name: str, asked: argparse.Namespace) -> Result:
    """One family by both engines, the plain one first."""
    import torch
    from engine import GIB, adapted, learner_of, told
    from engine_rows import plan_of, random_packs

    from suretune.model.memory import shape_of
    from suretune.options import EngineOptions
    from suretune.refusal import Refusal

    held = torch.cuda.memory_allocated() if asked.device == "cuda" else 0
    model = random_model(name, asked)
    tokens, rows = (FEW, FEW_ROWS) if asked.shrink else (TOKENS, ROWS)
    number = {"plain": asked.plain_updates, "fast": asked.updates}
    words = min(150_000, model.config.vocab_size)
    samples, packs = random_packs(max(number.values()), tokens, rows, words)
    weights = sum(parameter.numel() for parameter in model.parameters())
    shape = shape_of(model.config.to_dict(), model.dtype.itemsize)
    learned = sum(row.learned for row in samples) / len(packs)
    flops = shape.flops(tokens, round(learned))
    found: Result = {"weights": weights, "tokens_per_update": tokens, "flops": flops}
    tuned, adapters = adapted(model)
    begun = adapters.values.detach().clone()
    first = []
    for engine in ("plain", "fast"):
        adapters.values.data.copy_(begun)
        adapters.optimizer.state.clear()
        fresh(asked.device)
        how = EngineOptions(fused=engine == "fast", recompute="none", tokens_per_pass=tokens)
        plan = plan_of(packs[: number[engine]], samples)
        try:
            learner, about = learner_of(tuned, adapters, how, samples, plan)
        except Refusal as refusal:
            return {**found, "refused": reason(refusal)}
        times, loss, gradient = updates_of(learner, samples, plan)
        found[engine] = told(times, tokens, about, WARM[engine], held)
        found[engine]["tflop_s"] = round(flops / found[engine]["step_ms"] / 1e9, 1)
        first.append((loss, gradient))
        del learner
    found["times"] = round(found["plain"]["step_ms"] / found["fast"]["step_ms"], 2)
    (plain_loss, plain), (fast_loss, fast) = first
    found["loss_gap"] = abs(fast_loss - plain_loss) / plain_loss
    found["gradient_gap"] = float((fast - plain).norm() / plain.norm())
    found["held_gib"] = round(held / GIB, 2)
    return found


def reason(refusal: Any) -> str:
    """What the engine gave, in English."""
    found = getattr(refusal.facts, "found", "")
    return str(getattr(found, "en", found) or refusal)


def updates_of(learner: Any, samples: Any, plan: Any) -> tuple[list[float], float, Any]:
    """(seconds of each update, the first one's loss, its gradient)."""
    from engine import timed_updates

    from suretune.train.loop import gradient

    learner.engine.prepare(samples, plan, 0)
    update = plan.updates[0]
    loss, _ = gradient(learner, [samples[i] for i in update.samples], update.loss_weight)
    slope = learner.adapters.gradient.clone()
    times, _ = timed_updates(learner, samples, plan)
    return times, loss, slope


def random_model(name: str, asked: argparse.Namespace) -> Any:
    """Of the checkpoint's sizes, frozen, on the device."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    from suretune.model.attention import attention_for

    checkpoint = CHECKPOINTS[name]
    values = checkpoint.narrow() if asked.shrink else checkpoint.config
    config = AutoConfig.for_model(name, **values)
    dtype = torch.bfloat16 if asked.device == "cuda" else torch.float32
    torch.manual_seed(0)
    with torch.device(asked.device):
        model = AutoModelForCausalLM.from_config(
            config, attn_implementation=attention_for(config), dtype=dtype
        )
    model.requires_grad_(False)
    return model.eval()


def fresh(device: str) -> None:
    """Nothing of what came before on the card, and a peak of its own."""
    import torch

    gc.collect()
    if device == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def child(asked: argparse.Namespace) -> None:
    """All that are named in one process, which imports and compiles once; a line each."""
    for name in asked.only:
        signal.alarm(asked.seconds)  # ends the process: the next one goes on behind it
        fresh(asked.device)
        print(json.dumps({"family": name, **measured(name, asked)}), flush=True)
    signal.alarm(0)


def lines(names: Sequence[str]) -> Iterator[Result]:
    """A result for every name, from as many processes as it takes."""
    left = list(names)
    while left:
        command = [sys.executable, __file__, *sys.argv[1:], "--child", "--only", *left]
        with tempfile.TemporaryFile("w+") as said:
            running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said, text=True)
            assert running.stdout is not None
            for line in running.stdout:
                if line.startswith("{"):
                    found = json.loads(line)
                    left.remove(found["family"])
                    yield found
            if status := running.wait():
                said.seek(0)
                why = {"failed": f"exit status {status}", "said": said.read()[-1500:]}
                yield {"family": left.pop(0), **why}


def about_here(asked: argparse.Namespace) -> Result:
    import torch

    return {
        "what": "LoRA by the fast engine and by the plain path, one pack an update",
        "device": torch.cuda.get_device_name() if asked.device == "cuda" else "cpu",
        "versions": {name: version(name) for name in PACKAGES},
        "date": datetime.now(timezone.utc).date().isoformat(),
        "commit": asked.commit,
        "command": " ".join(["python", "benchmarks/families_speed.py", *sys.argv[1:]]),
        "shrunk": asked.shrink,
    }


def with_line(before: Mapping[str, Any], here: Result, line: Result) -> Result:
    """The file with one more family, in the order of the table; what another kind of card measured
    is dropped."""
    same = before.get("device") == here["device"] and before.get("shrunk") == here["shrunk"]
    kept = before["families"] if same else {}
    name = line["family"]
    checkpoint = CHECKPOINTS[name]
    about = {"checkpoint": checkpoint.name, "changed": checkpoint.changed}
    when = {"date": here["date"], "commit": here["commit"]}
    kept = {**kept, name: {**about, **{k: v for k, v in line.items() if k != "family"}, **when}}
    return {**here, "families": {one: kept[one] for one in CHECKPOINTS if one in kept}}


def shown(line: Result) -> str:
    """In a few words."""
    if "times" not in line:
        return str(line.get("refused") or f"{line['failed']}: {line['said'][-200:]}")
    fast, plain = line["fast"], line["plain"]
    return (
        f"{fast['tok_s']:,} tok/s, plain {plain['tok_s']:,} ({line['times']} times),"
        f" {fast['tflop_s']} TFLOP/s, peak {fast.get('peak_gib')} and {plain.get('peak_gib')} GiB,"
        f" gradients differ by {line['gradient_gap']:.1e}"
    )


def main() -> None:
    """Measure, and write after every family."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=tuple(CHECKPOINTS), default=list(CHECKPOINTS))
    parser.add_argument("--updates", type=int, default=25, help="by the fast engine; 5 not counted")
    parser.add_argument("--plain_updates", type=int, default=9, help="3 of them not counted")
    parser.add_argument("--seconds", type=int, default=SECONDS, help="for one family, at most")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--shrink", action="store_true", help="two narrow layers, for a CPU")
    parser.add_argument("--commit", default="")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        child(asked)
        return
    here = about_here(asked)
    told: Result = json.loads(asked.out.read_text("utf-8")) if asked.out.is_file() else {}
    for line in lines(asked.only):
        told = with_line(told, here, line)
        asked.out.write_text(json.dumps(told, indent=1) + "\n", "utf-8")
        print(f"{line['family']}: {shown(line)}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
