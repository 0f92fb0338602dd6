"""SIGKILL at random moments of a run's whole life, resumed until it ends; nothing may differ.

A run here checks, asks the base, trains sixteen updates with dropout, saves after each, evaluates,
publishes, proves and seals. The moment is uniform over that life, or (every other time, by chance)
over the part of it before the proof. The figures count kills by what lay in the folder then.
"""

from __future__ import annotations

import random
import shutil
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chaos import bases, nursery, rows
from suretune import rundir

UPDATES = 16
MOST_KILLS = 3  # of one run; then it is left alone
LOGS = ("seconds", "tokens_per_second", "memory_bytes")  # what a clock or a device says


def words(folder: Path, run: Path, *more: object) -> list[object]:
    """The command line of the run that is killed."""
    return [
        "sft", "--model", folder / "toy", "--dataset", folder / "rows.jsonl",
        "--probes", folder / "probes.txt", "--max_steps", UPDATES,
        "--gradient_accumulation_steps", 4, "--lora_dropout", 0.1, "--save_steps", 1,
        "--eval_steps", 4, "--split_dataset_ratio", 0.1, "--save_total_limit", 3,
        "--learning_rate", 1e-2, "--output_dir", run, "--device", "cpu", "--json",
        "--general_questions", 20, "--ignore", "R018", *more,
    ]  # fmt: skip


def prepare(folder: Path) -> None:
    """The files that `words` names."""
    bases.toy(folder / "toy")
    rows.write(folder / "rows.jsonl", rows.tasks(40))
    (folder / "probes.txt").write_text("Sort 3 1 2\n")


def where(run: Path) -> str:
    """What a run was at, as its folder tells."""
    if not (run / "run.json").exists():
        return "check"
    if not (run / "base_answers.json").exists():
        return "base answers"
    if any((run / "checkpoints").glob(".t*")):
        return "inside a checkpoint"
    if not (run / "steps.jsonl").exists():
        return "before the first update"
    if len(rundir.checkpoints(run)) == 0 or rundir.checkpoints(run)[-1][0] < UPDATES:
        return "training"
    if not (run / "adapter").exists():
        return "publishing the adapter"
    if not (run / "proof" / "result.json").exists():
        return "proof"
    return "report and seal" if not (run / rundir.SEAL).exists() else "after the seal"


def state(run: Path) -> dict[str, Any]:
    """All that must come out the same, bit for bit."""
    last = rundir.pointed(run, "last")
    assert last is not None, f"{run} has no last checkpoint"
    files = [last / "adapter_model.safetensors", last / "optimizer.safetensors",
             last / "generators.safetensors", run / "adapter" / "adapter_model.safetensors",
             run / "base_answers.json", run / "plan.json", run / "ledger.jsonl"]  # fmt: skip
    steps = [
        {key: value for key, value in line.items() if key not in LOGS}
        for line in rundir.read_jsonl(run / "steps.jsonl")
    ]
    answers = rundir.read_json(run / "proof" / "result.json")
    return {
        **{str(path.relative_to(run)): rundir.sha256(path) for path in files},
        "steps": steps,
        "evals": list(rundir.read_jsonl(run / "evals.jsonl")),
        "answers": answers["answers"],
        "logits_gap": answers["logits_gap"],
        "seal": _seal(run),
        "left over": sorted(str(p.relative_to(run)) for p in run.rglob(".t*")),
    }


def _seal(run: Path) -> str:
    """Whether there is a seal, and whether it fits the files."""
    if not (run / rundir.SEAL).exists():
        return "none"
    files = rundir.read_json(run / rundir.SEAL)["files"]
    broken = [name for name, digest in files.items() if rundir.sha256(run / name) != digest]
    return f"broken by {broken[0]}" if broken else "whole"


def difference(found: dict[str, Any], expected: dict[str, Any]) -> str:
    """What is not the same; empty if nothing."""
    names = [key for key in expected if found[key] != expected[key]]
    return ", ".join(names)


def real_run(output: Path) -> Path:
    """Where the run is: a folder that exists already becomes a folder of runs."""
    while (output / rundir.NEWEST).exists():
        output = output / rundir.read_json(output / rundir.NEWEST)["run"]
    return output


def trial(
    folder: Path, output: Path, moments: Sequence[float], phases: Counter[str]
) -> tuple[int, Path, list[str]]:
    """One run, killed after each of these moments; (kills, run folder, what went wrong)."""
    kills, wrong = 0, []
    for moment in (*moments, None):
        run = real_run(output)
        begun = (run / "run.json").exists()
        command = ["resume", run, "--json"] if begun else words(folder, output)
        ended = nursery.command(command, folder, kill_after=moment)
        run = real_run(output)
        if ended.signal == 9 and moment is not None:
            kills += 1
            phases[where(run)] += 1
            wrong += [
                f"{path.name} is visible and damaged: {found}"
                for _, path in rundir.checkpoints(run)
                if (found := rundir.damage(path))
            ]
            continue
        if ended.status != 0:
            wrong.append(f"status {ended.status}: {ended.last_words}")
        break
    return kills, run, wrong


def part(folder: Path, *, amount: int, seed: int, more_time: Any) -> dict[str, Any]:
    """Kill until enough were; `more_time()` says whether there is time for another run."""
    prepare(folder)
    reference = folder / "reference"
    began = time.time()
    undisturbed = nursery.command(words(folder, reference), folder)
    assert undisturbed.status == 0, undisturbed.last_words
    expected = state(reference)
    assert expected["seal"] == "whole", "the run that is killed must be one that is sealed"
    whole = undisturbed.seconds
    trained = (reference / "adapter" / rundir.MANIFEST).stat().st_mtime - began
    chance = random.Random(seed)
    phases: Counter[str] = Counter()
    done = exact = trials = 0
    problems: list[str] = []
    while done < amount and more_time():
        trials += 1
        output = folder / f"run-{trials}"
        moments = [
            chance.uniform(0.02, chance.choice((1.02 * whole, trained)))
            for _ in range(min(chance.randint(1, MOST_KILLS), amount - done))
        ]
        start = time.monotonic()
        killed, run, wrong = trial(folder, output, moments, phases)
        if not killed:  # the machine is quicker than it was for the reference
            trained *= (time.monotonic() - start) / whole
            whole = time.monotonic() - start
        if not wrong and killed and (odd := difference(state(run), expected)):
            wrong = [f"differs: {odd}"]
        done += killed
        exact += killed if not wrong else 0
        problems += [f"run {trials} (seed {seed}): {line}" for line in wrong]
        shutil.rmtree(output, ignore_errors=bool(wrong))
    return {
        "kills": done,
        "kills_bit_exact": exact,
        "killed_runs": trials,
        "kills_where": dict(phases.most_common()),
        "problems": problems,
    }
