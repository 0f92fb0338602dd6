"""An export that is killed at any moment leaves no half folder under its name, and the next one to
the same name works.

The real command runs in a fork, with torch loaded already, and is killed in front of a file
operation of its own, or after a time that chance chose.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import random
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from conftest import PLAIN, WARM
from suretune import rundir
from suretune.cli import main
from suretune.pocket import MODEL
from test_export import adapter_of
from warm import lead

OPERATIONS = ("open", "os.mkdir", "os.rename", "os.rmdir", "os.remove", "shutil.copyfile")
KILLS = 4  # of each kind, for each target
TARGETS = [
    pytest.param("merged", id="merged"),
    pytest.param(
        "gguf",
        id="gguf",
        marks=pytest.mark.skipif(
            importlib.util.find_spec("gguf") is None, reason="gguf is not installed"
        ),
    ),
]


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    WARM.start({**os.environ, **PLAIN})
    return adapter_of(tmp_path_factory.mktemp("adapter"), MODEL, target_modules=["q_proj"])


def operations(out: Path, kill_before: int, counted: Path) -> None:
    """In a fork: count what is done to files beside and under `out`; die in front of one."""
    seen = 0

    def hook(event: str, given: tuple[Any, ...]) -> None:
        nonlocal seen
        if event not in OPERATIONS or not any(str(out.parent) in str(each) for each in given[:2]):
            return
        seen += 1
        if seen == kill_before:
            os.kill(os.getpid(), signal.SIGKILL)
        counted_by.write(f"{seen}\n")
        counted_by.flush()

    counted_by = counted.open("w")
    sys.addaudithook(hook)


def exported(
    adapter: Path, target: str, out: Path, *, kill_before: int = 0, kill_after: float = 0.0
) -> int | None:
    """The exit status of one `suretune export`; None where it was killed."""
    pid = os.fork()
    if pid == 0:
        status = 70
        try:
            os.environ.pop("CUDA_VISIBLE_DEVICES", None)
            os.environ.update(PLAIN)
            lead(str(WARM.python), "suretune.export.apart")  # who answers is forked, too
            torch.set_num_threads(1)  # its pool is made anew, before many ask for it
            with open(os.devnull, "w") as quiet, contextlib.redirect_stdout(quiet):
                operations(out, kill_before, out.parent.parent / "counted")
                words = ["export", str(adapter), "--to", target, "--out", str(out)]
                status = main([*words, "--unverified", "--device", "cpu"])
        finally:
            os._exit(status)
    clock = threading.Timer(kill_after, lambda: _kill(pid))
    if kill_after:
        clock.start()
    _, ended = os.waitpid(pid, 0)
    clock.cancel()  # before its number is another process's
    return None if os.WIFSIGNALED(ended) else os.waitstatus_to_exitcode(ended)


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def look_at(out: Path) -> bool:
    """Whether the folder is there; where it is, it has every file that it tells of, whole."""
    if not out.exists():
        return False
    told = rundir.read_json(out / "export.json")
    there = {path.name for path in out.iterdir()} - {"export.json"}
    assert there == set(told["files"]) and len(there) >= 2
    for name, digest in told["files"].items():
        assert rundir.sha256(out / name) == digest, name
    return True


@pytest.mark.parametrize("target", TARGETS)
def test_killed_in_front_of_any_file_operation_an_export_is_whole_or_not_there(
    adapter: Path, tmp_path: Path, target: str
) -> None:
    first = tmp_path / "first" / "out"
    first.parent.mkdir()
    assert exported(adapter, target, first) == 0 and look_at(first)
    count = int((tmp_path / "counted").read_text().split()[-1])
    assert count > 2 * KILLS, "what an export does to its files was not seen"
    # The first ones and the last ones, where the folder gets its name, and some of all between.
    spread = range(3, count - 2, (count - 5) // KILLS + 1)
    moments = sorted({1, 2, *spread, count - 2, count - 1, count})
    out = tmp_path / "out" / "out"
    out.parent.mkdir()
    halves = 0
    for moment in moments:
        assert exported(adapter, target, out, kill_before=moment) is None
        left = list(out.parent.glob(".export-*"))
        halves += bool(left)
        if look_at(out):
            assert not left and moment >= count - 2, "it has its name only at the end"
            break
    assert halves > KILLS // 2, "no kill fell between the first byte and the name"
    if not out.exists():
        assert exported(adapter, target, out) == 0
    assert look_at(out) and [path.name for path in out.parent.iterdir()] == ["out"]


@pytest.mark.parametrize("target", TARGETS)
def test_killed_at_random_moments_an_export_is_whole_or_not_there(
    adapter: Path, tmp_path: Path, target: str
) -> None:
    start = time.monotonic()
    (tmp_path / "a").mkdir()
    assert exported(adapter, target, tmp_path / "a" / "out") == 0
    whole, moments = time.monotonic() - start, random.Random(19)
    out = tmp_path / "b" / "out"
    out.parent.mkdir()
    for _ in range(KILLS):
        status = exported(adapter, target, out, kill_after=moments.uniform(0.05, whole))
        assert status in (None, 0) and look_at(out) >= (status == 0)
        if out.exists():
            out = out.parent / f"{out.name}-again"
    assert exported(adapter, target, out) == 0 and look_at(out)
    assert not list(out.parent.glob(f".export-{out.name}-*"))
