"""Silent faults: what ends well in most tools and has taught nothing, or something else."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import Any

from chaos.bench import Bench
from chaos.silent_data import DATA
from chaos.silent_files import FILES
from chaos.silent_training import TRAINING

SILENT = (*DATA, *TRAINING, *FILES)


def part(folder: Path, *, amount: int, seed: int, more_time: Any) -> dict[str, Any]:
    """Plant them all, or a random choice of `amount`."""
    bench = Bench(folder)
    chosen = sorted(random.Random(seed).sample(range(len(SILENT)), min(amount, len(SILENT))))
    planted, problems = 0, []
    for index in chosen:
        if not more_time():
            break
        planted += 1
        if missed := SILENT[index].missed(bench):
            problems.append(f"{SILENT[index].id}: {missed}")
        shutil.rmtree(bench.here, ignore_errors=True)
    tracebacks = sum(": traceback: " in problem for problem in problems)
    return {
        "faults": planted,
        "silent_faults": planted,
        "silent_caught": planted - len(problems),
        "tracebacks_of_faults": tracebacks,
        "problems": problems,
    }
