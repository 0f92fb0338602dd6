"""Run a table: every line of it `suretune sft` on the pocket model, over seeds, to a verdict.

    python recipes/run.py learning_rate [--seeds 8] [--workers 2] [--only SETTING ...]
                          [--device cpu] [--budget SECONDS]
    python recipes/run.py all --workers 16 --budget 1500
    python recipes/run.py --list            # the tables, their runs, and what they cost

Each run becomes a line of recipes/results/TABLE.jsonl as it finishes; a run that has its line is
not repeated. After `--budget` seconds runs that are under way are ended and left for the next call.
`python recipes/page.py` makes docs/recipes.md of the results. No installation is needed: the
package is taken from src/ beside this folder.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "recipes")]

from general import general_rows
from tables import IDENTITIES, TABLES, Setting, runs

from suretune import rundir
from suretune.prepare.starter import write_starter

RESULTS = ROOT / "recipes" / "results"
DEFAULTS = RESULTS / "defaults.json"
COLUMNS = ("seed", "identity", "paraphrase_accuracy", "skill_drop", "updates")
WRITING = threading.Lock()
Key = tuple[str, int, str]  # setting, seed, identity


def results(table: str) -> list[dict[str, Any]]:
    """The lines of a table so far."""
    return list(rundir.read_jsonl(RESULTS / f"{table}.jsonl"))


def key_of(line: Mapping[str, Any]) -> Key:
    return line["setting"], line["seed"], line["identity"]


def to_do(table: str, seeds: int | None, only: Sequence[str]) -> list[Key]:
    """The runs that have no line yet."""
    done = {key_of(line) for line in results(table)}
    return [key for key in runs(table, seeds) if key not in done and (not only or key[0] in only)]


def command(setting: Setting, seed: int, identity: str, folder: Path, device: str) -> list[str]:
    """The command line of a run, its rows written into `folder`."""
    zh, en, maker_zh, maker_en = IDENTITIES[identity]
    rows, probes = write_starter(folder, (zh, en), (maker_zh, maker_en), ("zh", "en"))
    datasets = [f"{rows}#{setting.rows}" if setting.rows else str(rows)]
    if setting.general:
        own = setting.rows or 60
        count = round(own * setting.general / (1 - setting.general))
        rundir.write_jsonl(folder / "general.jsonl", general_rows(seed, count))
        datasets.append(str(folder / "general.jsonl"))
    return [
        "suretune", "sft", "--model", "pocket", "--dataset", *datasets, "--probes", str(probes),
        *setting.flags, "--seed", str(seed), "--device", device,
        "--output_dir", str(folder / "run"), "--json",
    ]  # fmt: skip


def one(table: str, key: Key, device: str, deadline: float) -> dict[str, Any] | None:
    """A run's line; None when there was no time for it."""
    name, seed, identity = key
    setting = TABLES[table].settings[name]
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        words = command(setting, seed, identity, folder, device)
        asked = frozenset(_questions(folder))
        path = os.pathsep.join(
            [str(ROOT / "src"), *filter(None, [os.environ.get("PYTHONPATH", "")])]
        )
        env = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "SURETUNE_LANG": "en"}
        began = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-m", *words],
            cwd=folder,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            out, said = process.communicate(timeout=max(0.1, deadline - began))
        except subprocess.TimeoutExpired:
            process.terminate()
            process.communicate()
            return None
        told = json.loads(out.strip().splitlines()[-1]) if out.strip() else {}
        line = {"setting": name, "seed": seed, "identity": identity, "status": process.returncode}
        if "paraphrases" not in told:
            if process.returncode not in (2, 3, 4, 5):
                raise RuntimeError(f"{' '.join(words)}\n{out[-2000:]}{said[-2000:]}")
            return {**line, **_stopped(told)}
        from drift import drift  # torch is needed only now

        return {**line, **_measured(told), "drift": drift(folder / "run", seed, asked)}


def _questions(folder: Path) -> Iterator[str]:
    for name in ("identity.jsonl", "general.jsonl"):
        for row in rundir.read_jsonl(folder / name):
            yield row["instruction"] if "instruction" in row else row["messages"][-2]["content"]


def _stopped(told: Mapping[str, Any]) -> dict[str, Any]:
    """A run that a guard ended has no accuracy: it has a reason."""
    reasons = [f"{finding['code']} {finding['name']}" for finding in told["findings"]]
    return {"verdict": "stopped", "reasons": reasons}


def _measured(report: Mapping[str, Any]) -> dict[str, Any]:
    """What the tables need of a report. Shares between 0 and 1."""
    found, general = report["paraphrases"], report["general"]
    cells = [one for one in general["cells"] if one["before"]]
    return {
        "verdict": report["verdict"],
        "reasons": report["reasons"],
        "paraphrases": found,
        "paraphrase_accuracy": found["passed"] / found["asked"],
        "only_in_the_proof": report["only_in_the_proof"],
        "skill_drop": (general["before"] - general["after"]) / general["counted"],
        "leaked": general["leaked"]["after"],
        "asked": general["leaked"]["asked"],
        "worst_skill_drop": max((one["lost"] - one["gained"]) / one["asked"] for one in cells),
        "updates": len(report["steps"]),
        "kept": report["kept"]["step"] if report["kept"] else len(report["steps"]),
        "planned": report["plan"]["updates"],
        "learning_rate": report["plan"]["learning_rate"],
        "tokens": sum(step["tokens"] for step in report["steps"]),
        "last_loss": report["steps"][-1]["loss"],
        "largest_norm": max(step["grad_norm"] for step in report["steps"]),
        "train_seconds": report["seconds"]["train"],
        "seconds": report["seconds"]["total"],
        "version": report["versions"]["suretune"],
    }


def write_defaults() -> None:
    """recipes/results/defaults.json: a row a run, in order."""
    lines = [line for line in results("defaults") if line["verdict"] != "stopped"]
    if len(lines) < len(results("defaults")):
        raise SystemExit("a run with default settings was stopped: recipes/results/defaults.jsonl")
    lines.sort(key=lambda line: (line["identity"], line["seed"]))
    rows = [json.dumps({name: line[name] for name in COLUMNS}) for line in lines]
    DEFAULTS.write_text("[\n" + ",\n".join(rows) + "\n]\n", "utf-8")


def main() -> int:
    """Everything asked for that is not done yet; 3 when the budget ended it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("tables", nargs="*", metavar="TABLE", help=f"all, {', '.join(TABLES)}")
    parser.add_argument("--seeds", type=int, help="1 to this; what the table says if not given")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--only", nargs="*", default=[], metavar="SETTING")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--budget", type=float, default=float("inf"), metavar="SECONDS")
    parser.add_argument("--list", action="store_true")
    asked = parser.parse_args()
    names = list(TABLES) if "all" in asked.tables else asked.tables
    if unknown := set(names) - set(TABLES):
        parser.error(f"no such table: {', '.join(sorted(unknown))} (there are {', '.join(TABLES)})")
    if asked.list or not names:
        _list(asked.seeds)
        return 0
    if strangers := set(asked.only) - {s for name in names for s in TABLES[name].settings}:
        parser.error(f"no such setting: {', '.join(sorted(strangers))}")
    jobs = [(name, key) for name in names for key in to_do(name, asked.seeds, asked.only)]
    left = _run_all(jobs, asked.workers, asked.device, asked.budget)
    if "defaults" in names:
        write_defaults()
    return 3 if left else 0


def _run_all(jobs: Sequence[tuple[str, Key]], workers: int, device: str, budget: float) -> int:
    """How many runs there was no time for."""
    RESULTS.mkdir(exist_ok=True)
    deadline = time.monotonic() + min(budget, 1e6)  # what a wait can take
    done: list[bool] = []

    def work(job: tuple[str, Key]) -> None:
        table, key = job
        line = one(table, key, device, deadline) if time.monotonic() < deadline else None
        with WRITING:
            done.append(line is not None)
            if line is not None:
                rundir.append(RESULTS / f"{table}.jsonl", line)
                print(f"{len(done)}/{len(jobs)} {table} {told(line)}", flush=True)

    with ThreadPoolExecutor(workers) as pool:
        for _ in pool.map(work, jobs):
            pass
    return done.count(False)


def told(line: Mapping[str, Any]) -> str:
    """A run in a line for the terminal."""
    about = f"{line['setting']!r} seed {line['seed']} {line['identity']}: {line['verdict']}"
    if line["verdict"] == "stopped":
        return f"{about} {', '.join(line['reasons'])}"
    found = line["paraphrases"]
    return (
        f"{about}, {found['passed']}/{found['asked']}, skills {-100 * line['skill_drop']:+.1f},"
        f" drift {line['drift']:.3f}, {line['updates']} updates, {line['seconds']:.0f} s"
    )


def _list(seeds: int | None) -> None:
    whole = 0.0
    for name, table in TABLES.items():
        count, left = len(runs(name, seeds)), len(to_do(name, seeds, []))
        whole += left * table.minutes
        print(
            f"{name:<14} {count:>4} runs, {left:>4} to do, about"
            f" {left * table.minutes:>4.0f} minutes of one core   {table.about}"
        )
    print(f"{'all':<14} about {whole:.0f} minutes of one core; divide by --workers")


if __name__ == "__main__":
    sys.exit(main())
