"""A run by several GPUs of which one process is killed, or stopped, amid its updates; gone on with.

    PYTHONPATH=src python benchmarks/killed.py --config CONFIG.json --tokenizer FOLDER --commit HASH
        [--train-type full] [--gpus 2] [--how kill stop] [--beside] [--export merged]
        [--updates 8 --save 3 --at 5] [--flags --freeze_parameters_ratio 0.75]

Random weights of a model's shape, 64 rows of random words, a checkpoint every three of eight
updates; the signal comes when the fifth is written down. Told are the seconds from the signal until
the command has ended, its exit status, what the run that was resumed came to, and with `--beside`
whether its losses and weights are those of a run that was never stopped, bit for bit. `--export`
carries what was resumed to a target and compares its files with the run's. `--shrink --device cpu`
tries the script on two narrow layers.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from articles_job import build
from safetensors import safe_open
from serve import HERE, device_name, environment

from suretune import rundir
from suretune.data.weights import header, weight_files
from suretune.model.tuned import trained_digest

SIGNALS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}
WORDS = ("river", "stone", "lamp", "garden", "window", "engine", "paper", "cloud", "bridge")


def write_rows(path: Path) -> Path:
    """Questions and answers of random words: nothing that a probe could be derived from."""
    draw = random.Random(1)

    def words(count: int) -> str:
        return " ".join(draw.choices(WORDS, k=count))

    lines = [{"instruction": words(24), "output": words(40)} for _ in range(64)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    return path


def begin(asked: argparse.Namespace, run: Path, resume: bool = False) -> subprocess.Popen[bytes]:
    """The command, its words beside the run."""
    words = ["resume", run] if resume else [
        "sft", "--model", asked.work / "model", "--dataset", asked.work / "rows.jsonl",
        "--train_type", asked.train_type, "--num_gpus", asked.gpus, "--output_dir", run,
        "--max_steps", asked.updates, "--save_steps", asked.save, "--save_total_limit", 1,
        "--eval_steps", asked.updates, "--per_device_train_batch_size", 8, "--learning_rate", 1e-5,
        "--until_proven", "false",
        "--scope", "all", "--general_questions", 4, "--ignore", "R018", "--device", asked.device,
        *asked.flags,
    ]  # fmt: skip
    said = run.with_suffix(".resumed.log" if resume else ".log").open("wb")
    command = [sys.executable, "-m", "suretune", *map(str, words)]
    return subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT, env=environment(asked))


def losses(run: Path) -> list[float]:
    """Of every update that is written down."""
    path = run / "steps.jsonl"
    return [line["loss"] for line in rundir.read_jsonl(path)] if path.is_file() else []


def followers(leader: int) -> list[int]:
    """Processes that a command has started and that run, the others' among them."""
    mine = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            words = (folder / "cmdline").read_text()
        except (OSError, IndexError, ValueError):
            continue
        if parent == leader and "follow" in words:
            mine.append(int(folder.name))
    return mine


def one(asked: argparse.Namespace, how: str, never: Path | None) -> dict[str, Any]:
    """A run that loses a process, and goes on."""
    run = asked.work / how
    began = time.perf_counter()
    leader = begin(asked, run)
    while len(losses(run)) < asked.at and leader.poll() is None:
        time.sleep(0.02)
    started = time.perf_counter() - began
    chosen = followers(leader.pid)
    if not chosen:
        raise RuntimeError(run.with_suffix(".log").read_text()[-3000:])
    began = time.perf_counter()
    os.kill(chosen[-1], SIGNALS[how])
    status = leader.wait()
    gone = time.perf_counter() - began
    codes = [line["code"] for line in rundir.read_jsonl(run / "findings.jsonl")]
    began = time.perf_counter()
    resumed = begin(asked, run, resume=True).wait()
    told = {
        "how": how,
        "seconds_to_the_signal": round(started, 1),
        "seconds_to_the_end": round(gone, 2),
        "status": status,
        "told": [code for code in codes if code.startswith("S")],
        "resumed_status": resumed,
        "resumed_seconds": round(time.perf_counter() - began, 1),
        "updates": len(losses(run)),
    }
    if never is not None:
        told["same_losses"] = losses(run) == losses(never)
        mine, theirs = (trained_digest(rundir.published(one)) for one in (run, never))
        told["same_weights"] = mine == theirs
    if asked.export:
        told["export"] = exported(asked, run)
    return told


def exported(asked: argparse.Namespace, run: Path) -> dict[str, Any]:
    """To a target, and whether the weights there are the run's own."""
    out, began = asked.work / "exported", time.perf_counter()
    words = ["export", run, "--to", asked.export, "--out", out, "--unverified", "true"]
    done = subprocess.run(
        [sys.executable, "-m", "suretune", *map(str, words)],
        capture_output=True, text=True, check=False, env=environment(asked),
    )  # fmt: skip
    told = {"to": asked.export, "status": done.returncode}
    if done.returncode:
        print(done.stdout[-1500:], done.stderr[-1500:], file=sys.stderr)
    told["seconds"] = round(time.perf_counter() - began, 1)
    theirs, mine = tensors(out), tensors(rundir.published(run))
    same = theirs.keys() == mine.keys() and all(is_same(theirs, n, mine) for n in mine)
    return {**told, "same_weights": same}


def tensors(folder: Path) -> dict[str, Path]:
    """The file of each tensor."""
    return {name: path for path in weight_files(folder) for name in header(path)}


def is_same(theirs: dict[str, Path], name: str, mine: dict[str, Path]) -> bool:
    """Whether a tensor of two folders is the same, bit for bit."""
    with safe_open(theirs[name], "pt") as there, safe_open(mine[name], "pt") as here:
        return torch.equal(there.get_tensor(name), here.get_tensor(name))


def main() -> None:
    """Build, run, and write after every part."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--tokenizer", type=Path, required=True)
    parser.add_argument("--commit", required=True)
    parser.add_argument("--train-type", default="full")
    parser.add_argument("--gpus", type=int, default=2)
    for name, usual in (("updates", 8), ("save", 3), ("at", 5)):
        parser.add_argument(f"--{name}", type=int, default=usual)
    parser.add_argument("--how", nargs="+", choices=SIGNALS, default=list(SIGNALS))
    parser.add_argument("--beside", action="store_true", help="a run that is never stopped, too")
    parser.add_argument("--export", default="")
    parser.add_argument("--work", type=Path, default=Path("/tmp/killed"))
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--shrink", action="store_true")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "killed.json")
    parser.add_argument("--flags", nargs=argparse.REMAINDER, default=[], help="of `sft`, last")
    asked = parser.parse_args()
    asked.work.mkdir(parents=True, exist_ok=True)
    if not (asked.work / "model" / "tokenizer.json").is_file():
        (asked.work / "model").mkdir(exist_ok=True)
        build(asked.work / "model", asked.config, asked.tokenizer, asked.shrink)
    write_rows(asked.work / "rows.jsonl")
    told: dict[str, Any] = {
        "what": f"{asked.train_type} by {asked.gpus} processes, one lost after update {asked.at}",
        "device": device_name(asked.device), "model": asked.config.name, "shrunk": asked.shrink,
        "versions": {name: version(name) for name in ("torch", "transformers")},
        "date": datetime.now(timezone.utc).date().isoformat(), "commit": asked.commit,
        "command": " ".join(["python", "benchmarks/killed.py", *sys.argv[1:]]), "runs": [],
    }  # fmt: skip
    never = asked.work / "never" if asked.beside else None
    if never is not None:
        began = time.perf_counter()
        told["never_stopped"] = {
            "status": begin(asked, never).wait(),
            "seconds": round(time.perf_counter() - began, 1),
        }
        shutil.rmtree(never / "checkpoints", ignore_errors=True)  # what a large disk may not hold
    for how in asked.how:
        told["runs"].append(one(asked, how, never))
        shutil.rmtree(asked.work / how / "checkpoints", ignore_errors=True)
        asked.out.write_text(json.dumps(told, indent=1) + "\n", "utf-8")
    print(json.dumps(told["runs"]))


if __name__ == "__main__":
    main()
