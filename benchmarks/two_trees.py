"""This tree beside an earlier one on the same card, by turns: the engine, and whole commands.

    git archive d5e6da7 src benchmarks | tar -x -C EARLIER
    python benchmarks/two_trees.py --earlier EARLIER --commit d5e6da7 --config CONFIG.json \
        --tokenizer FOLDER --rows ROWS.jsonl [--only engine,same-work,defaults] [--times 5]
        [--flags --base_dtype fp8]

`engine`: one pack of 2,048 tokens an update on random weights of the shape in `--config` (its name
is the shape's: 7b.json), ms of a median update. `same-work`: the articles' job without anchors and
without stopping where it is proven: what both trees do alike. `defaults`: the articles' job with
all that each tree adds by itself. `--flags` are of this tree's jobs alone. Of jobs: seconds of
training, from the start to the adapter on disk, and of the whole command. Each figure is the median
of its runs; a ratio is this tree's over the earlier one's (benchmarks/results/two_trees.json).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from articles_job import build
from latest import seeds_figures
from latest_jobs import SAME_WORK, seeds_command

HERE = Path(__file__).resolve().parent
OUT = HERE / "results" / "two_trees.json"
KINDS = ("engine", "same-work", "defaults")
OF_A_JOB = ("train_s", "wall_s", "command_s")

Result = dict[str, Any]


def main() -> None:
    """By turns, kind after kind; written after every turn."""
    asked = arguments()
    trees = {"earlier": asked.earlier.resolve(), "this": HERE.parent}
    model = asked.work / "model"
    if not (model / "config.json").is_file():
        model.mkdir(parents=True)
        build(model, asked.config, asked.tokenizer, asked.shrink)
    told: Result = json.loads(OUT.read_text()) if OUT.is_file() else {}
    for kind in asked.only.split(","):
        runs: dict[str, list[Result]] = {name: [] for name in trees}
        for turn in range(asked.times):
            for name, tree in trees.items():
                flags = asked.flags if name == "this" else []
                runs[name].append(one(kind, tree, model, asked, flags))
                print(kind, turn + 1, name, figures(runs[name][-1:]), file=sys.stderr, flush=True)
            found = compared(runs) | {"kind": kind, "shape": asked.config.stem}
            found |= {"device": device_name(), "earlier_commit": asked.commit}
            found["date"] = datetime.now(timezone.utc).date().isoformat()
            by = [f"by {' '.join(asked.flags)}"] if asked.flags else []
            found |= {"flags": asked.flags} if asked.flags else {}
            name = " ".join([kind, *by, f"of {asked.config.stem} beside {asked.commit}"])
            told[name] = found
            OUT.write_text(json.dumps(told, indent=1) + "\n")
        print(kind, found["ratios"], flush=True)


def one(kind: str, tree: Path, model: Path, asked: argparse.Namespace, flags: list[str]) -> Result:
    """What a run of this kind measured; SystemExit with its last words where it failed."""
    if kind == "engine":
        command = [str(tree / "benchmarks" / "engine.py"), "--random", str(asked.config),
                   "--case", "packed", "--updates", "25"]  # fmt: skip
        command += ["--shrink"] if asked.shrink else []
    else:
        run = asked.work / f"run-{time.time_ns()}"
        command = [*seeds_command(model, asked.rows.resolve(), run)]
        command[command.index("--dataset") + 1] += "#50"
        command += [*(SAME_WORK if kind == "same-work" else ()), *flags]
    path = os.pathsep.join(filter(None, [str(tree / "src"), os.environ.get("PYTHONPATH", "")]))
    start = time.time()
    done = subprocess.run(
        [sys.executable, *command], env={**os.environ, "PYTHONPATH": path}, check=False,
        capture_output=True, text=True,
    )  # fmt: skip
    seconds = time.time() - start
    try:
        found: Result = json.loads(done.stdout.strip().splitlines()[-1])
        return found if kind == "engine" else seeds_figures(found, seconds, start, run)
    except (IndexError, KeyError, ValueError) as odd:
        raise SystemExit(f"{kind} of {tree}: {odd!r}\n{done.stderr[-2000:]}") from odd


def figures(runs: list[Result]) -> Result:
    """The medians of the figures that these runs have."""
    names = [name for name in ("step_ms", *OF_A_JOB, "updates", "peak_gib") if name in runs[0]]
    return {name: statistics.median(run[name] or 0 for run in runs) for name in names}


def compared(runs: dict[str, list[Result]]) -> Result:
    """Both trees' medians, their single figures, and the ratios of the medians."""
    middles = {name: figures(mine) for name, mine in runs.items()}
    names = [name for name, value in middles["earlier"].items() if value]
    single = {
        name: [{key: run.get(key) for key in middles[name]} for run in mine]
        for name, mine in runs.items()
    }
    ratios = {key: round(middles["this"][key] / middles["earlier"][key], 3) for key in names}
    return {"ratios": ratios, "medians": middles, "runs": single}


def device_name() -> str:
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name in ("earlier", "config", "tokenizer", "rows"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--commit", required=True, help="of the earlier tree")
    parser.add_argument("--only", default=",".join(KINDS))
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--work", type=Path, default=Path("/tmp/two-trees"))
    parser.add_argument("--flags", nargs=argparse.REMAINDER, default=[], help="last")
    parser.add_argument("--shrink", action="store_true", help="a few narrow layers, for a CPU")
    return parser.parse_args()


if __name__ == "__main__":
    main()
