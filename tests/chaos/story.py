"""Three failures as a user meets them: real commands, their real output, and how they end."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chaos import rows

SFT = (
    "sft",
    "--model",
    "pocket",
    "--dataset",
    "rows.jsonl",
    "--max_steps",
    "8",
    "--gradient_accumulation_steps",
    "4",
    "--split_dataset_ratio",
    "0.1",
    "--save_steps",
    "2",
    "--general_questions",
    "100",
    "--output_dir",
)
STORIES = (
    ("killed", ("kill", "3"), "a SIGKILL while the third checkpoint is being written"),
    ("disk", ("disk_full", "3"), "no file may grow any more, from the third checkpoint on"),
    ("memory", ("oom_gradient", "6"), "the device's memory ends in the sixth pass and stays short"),
)


def tell(folder: Path, before: Sequence[str], words: Sequence[str]) -> None:
    """Run a command, with or without a fault, and print what it printed."""
    program = ["chaos.inject", *before, "--"] if before else ["suretune"]
    print(f"$ suretune {' '.join(words)}", flush=True)
    done = subprocess.run(
        [sys.executable, "-m", *program, *words], cwd=folder, stdin=subprocess.DEVNULL,
        env={**os.environ, "SURETUNE_LANG": "en", "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    print(done.stdout.rstrip())
    print(f"(exit status {done.returncode})\n", flush=True)


def part(folder: Path, *, amount: int, seed: int, more_time: Any) -> dict[str, Any]:
    """Print the stories; docs/reliability.md has them shortened."""
    for name, fault, about in STORIES:
        home = folder / name
        home.mkdir()
        rows.write(home / "rows.jsonl", rows.tasks(40))
        print(f"--- {name}: {about}\n", flush=True)
        tell(home, fault, (*SFT, name, "--preview", "0"))
        print("$ ls checkpoints\n" + "  ".join(sorted(os.listdir(home / name / "checkpoints"))))
        tell(home, (), ("resume", name))
        tell(home, (), ("verify", name))
    return {"stories": len(STORIES), "problems": []}
