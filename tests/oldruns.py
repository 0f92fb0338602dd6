"""Runs that an earlier version made live on: `python tests/oldruns.py REV` (some minutes).

REV is checked out beside this tree and makes, on the pocket model: a sealed run, and one that is
killed midway, of which it resumes a copy itself. Then the present tree verifies the sealed run,
asks and serves its adapter, and resumes the killed one: to the same bits as REV did. Exit status 0
where all of it holds. (PYTHONPATH=src:tests)
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
TALK = "You are a helpful assistant."
# The longest that may pass before the killed run has an update behind its first checkpoint.
PATIENCE = 600
KILL_AT = 5  # updates


@contextmanager
def checkout(revision: str, folder: Path) -> Iterator[Path]:
    """The tree of a revision, in a worktree that is gone afterwards."""
    git = ("git", "-C", str(ROOT), "worktree")
    subprocess.run([*git, "add", "--detach", str(folder), revision], check=True)
    try:
        yield folder
    finally:
        subprocess.run([*git, "remove", "--force", str(folder)], check=True)


def of(tree: Path) -> dict[str, str]:
    """An environment in which `suretune` is the one of this tree, on one thread of a CPU."""
    return {
        **os.environ, "PYTHONPATH": str(tree / "src"), "OMP_NUM_THREADS": "1", "NO_COLOR": "1",
        "HF_HUB_OFFLINE": "1", "SURETUNE_LANG": "en", "CUDA_VISIBLE_DEVICES": "",
        "SURETUNE_CACHE": "off",
    }  # fmt: skip


def suretune(tree: Path, *words: object) -> subprocess.CompletedProcess[str]:
    """A command of this tree's version."""
    command = [sys.executable, "-m", "suretune", *map(str, words)]
    return subprocess.run(command, env=of(tree), capture_output=True, text=True, check=False)


def well(done: subprocess.CompletedProcess[str]) -> subprocess.CompletedProcess[str]:
    """It ended with 0, or this script ends here and shows why."""
    if done.returncode:
        raise SystemExit(f"{done.args}: {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done


def trained(tree: Path, rows: Path, run: Path) -> None:
    """A sealed run of this tree."""
    well(suretune(
        tree, "sft", "--model", "pocket", "--dataset", rows / "identity.jsonl",
        "--probes", rows / "probes.yaml", "--output_dir", run, "--system", TALK, "--save_steps", 20,
    ))  # fmt: skip


def killed(tree: Path, rows: Path, run: Path) -> None:
    """A run of this tree that ends amid its updates, a checkpoint behind it. Its probes come from a
    file: those that a version derives are its own, and no other goes on with them (S013)."""
    words = (
        "sft", "--model", "pocket", "--dataset", rows / "identity.jsonl", "--output_dir", run,
        "--probes", rows / "probes.yaml", "--system", TALK, "--max_steps", 12, "--save_steps", 2,
        "--general_questions", 20, "--until_proven", "false", "--anchor_ratio", 0,
    )  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-m", "suretune", *map(str, words)], env=of(tree),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    end, steps = time.monotonic() + PATIENCE, run / "steps.jsonl"
    while not steps.is_file() or len(steps.read_bytes().splitlines()) < KILL_AT:
        if process.poll() is not None or time.monotonic() > end:
            process.kill()
            raise SystemExit("the run that should be killed ended by itself")
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()


def bits(run: Path) -> Mapping[str, str]:
    """What a resume must reach: weights, moments, and what every update computed."""
    last = run / json.loads((run / "last").read_text())["checkpoint"]
    files = [*sorted(last.glob("*.safetensors")), run / "adapter" / "adapter_model.safetensors"]
    made = {f"{path.parent.name}/{path.name}": hashlib.sha256(path.read_bytes()).hexdigest()
            for path in files}  # fmt: skip
    steps = [json.loads(line) for line in (run / "steps.jsonl").read_text().splitlines()]
    told = [(step["step"], step["loss"], step["grad_norm"]) for step in steps]
    return {**made, "steps": json.dumps(told)}


def resumes_to_the_same_bits(old: Path, rows: Path, work: Path) -> bool:
    """The killed run, resumed by its own version and by the present one."""
    run, aside = work / "killed", work / "aside"
    killed(old, rows, run)
    shutil.copytree(run, aside, symlinks=True)
    done = suretune(old, "resume", run)
    if done.returncode not in (0, 6, 8):  # whatever its proof says
        raise SystemExit(f"{done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    theirs = bits(run)
    shutil.rmtree(run)
    aside.rename(run)  # where it was begun
    done = suretune(ROOT, "resume", run)
    if done.returncode not in (0, 6, 8):
        print(f"  refused: {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        return False
    ours = bits(run)
    for name in theirs:
        if theirs[name] != ours.get(name):
            print(f"  differs: {name}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return theirs == ours


def answers(run: Path, work: Path) -> bool:
    """Its adapter says its name."""
    questions = work / "questions.txt"
    questions.write_text("Who are you?\n")
    done = well(suretune(ROOT, "ask", "--adapters", run, "--questions", questions, "--json"))
    return "Glow" in done.stdout


def serves(run: Path) -> bool:
    """It is served after the proof, and the server's answers are the seal's."""
    command = [sys.executable, "-m", "suretune", "serve", str(run), "--port", "0", "--json"]
    process = subprocess.Popen(command, env=of(ROOT), stdout=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline() if process.stdout else ""
        about: dict[str, Any] = json.loads(line) if line.startswith("{") else {}
        url = about.get("url", "")
        return bool(url) and suretune(ROOT, "verify", url, "--run", run).returncode == 0
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def main(revision: str) -> int:
    """All of it, a line each; the exit status."""
    with tempfile.TemporaryDirectory() as made, checkout(revision, Path(made) / "old") as old:
        work = Path(made)
        rows, sealed = work / "rows", work / "sealed"
        well(suretune(old, "init", "identity", "--name", "小光", "Glow", "--author", "星海实验室",
                      "Star Lab", "--output_dir", rows))  # fmt: skip
        trained(old, rows, sealed)
        checks: Mapping[str, Callable[[], bool]] = {
            "its sealed run is verified": lambda: not suretune(ROOT, "verify", sealed).returncode,
            "its report is told": lambda: not suretune(ROOT, "report", sealed).returncode,
            "its adapter answers": lambda: answers(sealed, work),
            "its adapter is served as sealed": lambda: serves(sealed),
            "its killed run is resumed to the same bits": lambda: resumes_to_the_same_bits(
                old, rows, work
            ),
        }
        failed = 0
        for name, check in checks.items():
            held = check()
            failed += not held
            print(f"{'ok  ' if held else 'FAIL'} {revision}: {name}", flush=True)
        return min(failed, 1)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    sys.exit(main(sys.argv[1]))
