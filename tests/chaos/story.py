"""Three failures as a user meets them: real commands, their real output, and how they end."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chaos import rows

SFT = ("sft", "--model", "pocket", "--dataset", "rows.jsonl", "--save_steps", "5", "--output_dir")
STORIES = (
    ("killed", ("kill", "4"), "a SIGKILL while the fourth checkpoint is being written"),
    ("disk", ("disk_full", "4"), "no file may grow any more, from the fourth checkpoint on"),
    ("memory", ("oom_gradient", "23"), "the device's memory ends in the 23rd pass and stays short"),
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
        rows.write(home / "rows.jsonl", rows.identity())
        print(f"--- {name}: {about}\n", flush=True)
        tell(home, fault, (*SFT, name, "--preview", "0"))
        print("$ ls checkpoints\n" + "  ".join(sorted(os.listdir(home / name / "checkpoints"))))
        tell(home, (), ("resume", name))
        tell(home, (), ("verify", name))
    return {"stories": len(STORIES), "problems": []}
