"""The articles' recipes, the defaults and more on a real model: one command, resumable.

    python recipes/real.py [--model FOLDER|HUB_ID|FILE.gguf] [--only defaults,articles]
                           [--workers 4] [--budget SECONDS] [--limit RUNS] [--seeds N]
    python recipes/real.py --list         # the groups, and what is not measured yet

Without --model it is SmolLM2-135M-Instruct out of a package of PyPI (`real_model.py`). Each run
becomes a line of recipes/results/real_GROUP.jsonl as it finishes; a run that has its line is not
made again. Workers are processes side by side on one card (`--gpus N`: they take turns on N); each
makes many runs. Nothing is begun after `--budget` seconds. `python recipes/page.py` makes the
section of docs/recipes.md. Settings stand in `real_tables.py`. No installation is needed.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "recipes")]

from real_model import model_of
from real_tables import GROUPS, Job, called_for, jobs_of

from suretune import rundir
from suretune.data.base import find_base
from suretune.refusal import Refusal

RESULTS = ROOT / "recipes" / "results"
WRITING = threading.Lock()
CHINESE = ("qwen", "glm", "chatglm", "deepseek", "internlm", "baichuan", "minicpm", "hunyuan")


class Worker:
    """A process that makes one run after the other; started again where it ended."""

    def __init__(self, given: Sequence[Any], number: int, gpus: int) -> None:
        self._given, self._process = json.dumps(given), None
        self._env = {**os.environ, "SURETUNE_LANG": "en"}
        if gpus:
            self._env["CUDA_VISIBLE_DEVICES"] = str(number % gpus)

    def run(self, job: Job) -> dict[str, Any]:
        """The row of a job, or {"failed": why}."""
        if self._process is None or self._process.poll() is not None:
            self._process = subprocess.Popen(
                [sys.executable, str(ROOT / "recipes" / "real_run.py"), self._given],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=self._env,
            )  # fmt: skip
        with suppress(BrokenPipeError):  # it is gone: the answer will be missing
            self._process.stdin.write(json.dumps(asdict(job)) + "\n")
            self._process.stdin.flush()
        said = self._process.stdout.readline()
        if said:
            row: dict[str, Any] = json.loads(said)
        else:
            row = {"failed": f"the process ended with status {self._process.wait()}"}
        if "failed" in row:
            self.close()
        return row

    def close(self) -> None:
        if self._process is not None:
            self._process.stdin.close()
            self._process.wait()
            self._process = None


def results(group: str, folder: Path = RESULTS) -> list[dict[str, Any]]:
    """The lines of a group so far."""
    path = folder / f"real_{group}.jsonl"
    return list(rundir.read_jsonl(path)) if path.is_file() else []


def to_do(group: str, model: str, hidden: int, seeds: int | None, folder: Path) -> list[Job]:
    """The runs of a group that are called for, and have no line of this model yet."""
    lines = [line for line in results(group, folder) if line["model"] == Path(model).name]
    done = {(line["recipe"], line["identity"], line["seed"]) for line in lines}
    jobs = jobs_of(group, hidden, seeds)
    if group == "diverging":
        jobs = called_for(jobs, lines)
    return [job for job in jobs if job.key not in done]


def main() -> int:
    """Everything asked for that is not done yet; 3 where something is left, 1 after a failure."""
    asked = _arguments()
    model = model_of(asked.model)
    try:
        base = find_base(model, weights=False)
    except Refusal as refusal:
        print(f"{model}: {refusal}", file=sys.stderr)
        return 4
    if not base.hidden:
        print(f"{model}: {base}", file=sys.stderr)
        return 4
    languages = asked.lang.split(",") if asked.lang else languages_of(model, base.config)
    groups = asked.only.split(",") if asked.only else list(GROUPS)
    if strangers := set(groups) - set(GROUPS):
        print(f"no such group: {', '.join(sorted(strangers))} (there are {', '.join(GROUPS)})",
              file=sys.stderr)  # fmt: skip
        return 2
    hidden = base.hidden

    def left() -> list[Job]:
        return [
            job
            for group in groups
            for job in to_do(group, model, hidden, asked.seeds, asked.out)
            if not asked.recipe or job.recipe in asked.recipe
        ]

    if asked.list:
        counts = Counter(job.group for job in left())
        for group in groups:
            print(f"{group:<10} {len(jobs_of(group, hidden, asked.seeds)):>4} runs,"
                  f" {counts[group]:>4} to do")  # fmt: skip
        return 0
    given = (model, languages, asked.flags, asked.doses, asked.keep)
    until, limit, status = time.monotonic() + asked.budget, asked.limit, 0
    while not status and (jobs := left()):  # a ladder's next rate waits for what this one comes to
        status = _run_all(jobs[:limit], len(jobs), given, asked, until)
        limit = None if limit is None else limit - len(jobs)
    return status


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", help="smollm2, coder, a folder, a hub id or a GGUF file")
    parser.add_argument("--only", metavar="GROUPS", help=",".join(GROUPS))
    parser.add_argument("--recipe", nargs="*", default=[], help="of these groups, these settings")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--gpus", type=int, default=0, help="workers take turns on so many cards")
    parser.add_argument("--budget", type=float, default=float("inf"), metavar="SECONDS")
    parser.add_argument("--limit", type=int, help="so many runs at most")
    parser.add_argument("--seeds", type=int, help="1 to this; what the group says if not given")
    parser.add_argument("--lang", help="en, or zh,en; by the model when not given")
    parser.add_argument("--out", type=Path, default=RESULTS, metavar="FOLDER")
    parser.add_argument("--keep", default="", metavar="FOLDER",
                        help="each run's proof, with questions and answers, goes here")  # fmt: skip
    parser.add_argument("--list", action="store_true")
    parser.add_argument(
        "--doses",
        type=float,
        nargs="+",
        default=[],
        help="also prove each identity's adapter at these (`at` of its row)",
    )
    parser.add_argument("--flags", nargs=argparse.REMAINDER, default=[],
                        help="for every run, last: --flags --general_questions 20")  # fmt: skip
    asked = parser.parse_args()
    if asked.flags and asked.out == RESULTS:  # its rows would stand there under another's name
        parser.error("--flags makes other runs than the results are of: --out FOLDER")
    return asked


def languages_of(model: str, config: dict[str, Any]) -> list[str]:
    """The languages of the rows: Chinese where the model is of a family that speaks it."""
    kind = str(config.get("model_type") or "").lower()
    return ["zh", "en"] if model == "pocket" or kind.startswith(CHINESE) else ["en"]


def _run_all(
    jobs: Sequence[Job], all_of: int, given: Sequence[Any], asked: Any, until: float
) -> int:
    asked.out.mkdir(parents=True, exist_ok=True)
    waiting: queue.SimpleQueue[Job] = queue.SimpleQueue()
    for job in jobs:
        waiting.put(job)
    done: list[bool] = []

    def work(number: int) -> None:
        worker = Worker(given, number, asked.gpus)
        for job in _taken(waiting, until):
            row = worker.run(job)
            with WRITING:
                done.append("failed" not in row)
                if done[-1]:
                    rundir.append(asked.out / f"real_{job.group}.jsonl", row)
                print(f"{len(done)}/{len(jobs)} {job.group} {_told(job, row)}", flush=True)
        worker.close()

    threads = [threading.Thread(target=work, args=(n,)) for n in range(min(asked.workers, 64))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if False in done:
        return 1
    return 3 if len(done) < all_of else 0


def _taken(waiting: queue.SimpleQueue[Job], until: float) -> Iterator[Job]:
    """Jobs, while there are any and there is time to begin one."""
    while time.monotonic() < until:
        try:
            yield waiting.get_nowait()
        except queue.Empty:
            return


def _told(job: Job, row: dict[str, Any]) -> str:
    """A run in a line for the terminal."""
    about = f"{job.recipe!r} {job.identity} seed {job.seed}:"
    if "failed" in row:
        return f"{about} failed, nothing is kept of it: {row['failed']}"
    said = [row["verdict"]]
    if "seen" in row:
        said.append(f"went back at {[one['step'] for one in row['seen']]}")
    if "losses" in row and (held := row.get("held_out")):
        said.append(f"held out {held['before']} to {held['after']}")
    if "paraphrase_accuracy" in row:
        said.append(f"{row['paraphrases']['passed']}/{row['paraphrases']['asked']}")
    if "net_points" in row:
        said.append(
            f"net {row['net_points']:+.1f} ({row['net_low']:+.1f} to {row['net_high']:+.1f})"
        )
    if row.get("leaked") is not None:
        said.append(f"leaked {row['leaked']}/{row['asked']}, near {row['near_missed']}")
    said += [f"{row['seconds']:.0f} s", *row.get("reasons", ())]
    return f"{about} {', '.join(said)}"


if __name__ == "__main__":
    sys.exit(main())
