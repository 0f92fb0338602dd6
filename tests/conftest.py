"""What tests share: where real data lies, a run of the command line, a trained run to look at."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from suretune.refusal import Refusal

ROOT = Path(__file__).parent.parent
# Minutes each: first, so that two workers end together.
FIRST = (
    "test_planted", "test_serve", "test_kill", "test_cli", "test_recovery", "test_proving",
    "test_load", "test_honesty", "test_chaos", "test_laws", "test_sweep",
)  # fmt: skip
SHARED = ROOT.parent / "shared" / "data"

# As it is typed, PYTHONPATH=src:tests, it means nothing to a process that a test starts elsewhere.
if paths := os.environ.get("PYTHONPATH"):
    os.environ["PYTHONPATH"] = os.pathsep.join(map(os.path.abspath, paths.split(os.pathsep)))

settings.register_profile("suretune", deadline=None)  # other work on the machine is no failure
settings.load_profile("suretune")


# What a test does that takes seconds: it loads torch, or starts a process.
HEAVY = re.compile(r"^(?:import|from) torch|subprocess|suretune\(|: trained|Popen", re.MULTILINE)


def long_tests() -> frozenset[str]:
    """The tests of `make test-all` that `make test` leaves out, as `file.py::name[member]`."""
    lines = (ROOT / "tests" / "long_tests.txt").read_text("utf-8").splitlines()
    return frozenset(line.strip() for line in lines if line.strip() and line[0] != "#")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--part", help="K/N: every Nth test, from the Kth")
    parser.addoption("--online", action="store_true", help="tests that need a network, too")
    parser.addoption("--quick", action="store_true", help="files that load no torch, no process")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Marks, the part that was asked for, and the long files first, all else in its order."""
    named = long_tests()
    for item in items:
        name = f"{item.path.name}::{item.name}"
        if name in named or name.partition("[")[0] in named:
            item.add_marker(pytest.mark.long)
    if not config.getoption("--online"):
        items[:] = [item for item in items if not item.get_closest_marker("online")]
    if config.getoption("--quick"):
        files = {item.path for item in items}
        light = {path for path in files if not HEAVY.search(path.read_text("utf-8"))}
        items[:] = [item for item in items if item.path in light]
    if part := config.getoption("--part"):
        first, every = map(int, part.split("/"))
        long = [item for item in items if item.get_closest_marker("long")]
        items[:] = long[first - 1 :: every]
    last = len(FIRST)
    items.sort(key=lambda item: FIRST.index(item.path.stem) if item.path.stem in FIRST else last)


def shared(name: str) -> Path:
    """A real file for tests, or a skip with the reason."""
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"{path} is not there")
    return path


def suretune(
    *words: object, cwd: Path | None = None, timeout: float = 240, **env: str
) -> subprocess.CompletedProcess[str]:
    """The command line in a process of its own, without network, in English."""
    plain = {"HF_HUB_OFFLINE": "1", "SURETUNE_LANG": "en", "OMP_NUM_THREADS": "1", "NO_COLOR": "1"}
    return subprocess.run(
        [sys.executable, "-m", "suretune", *map(str, words)],
        cwd=cwd,
        env={**os.environ, **plain, **env},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def as_json(done: subprocess.CompletedProcess[str]) -> Any:
    """What `--json` printed."""
    assert done.stdout, done.stderr
    return json.loads(done.stdout.strip().splitlines()[-1])


def codes(done: subprocess.CompletedProcess[str]) -> list[str]:
    """The findings that `--json` printed."""
    return [finding["code"] for finding in as_json(done)["findings"]]


def result_of(act: Callable[..., Any], *given: Any, **named: Any) -> Any:
    """What it gives, or the facts for which it refuses."""
    try:
        return act(*given, **named)
    except Refusal as refusal:
        return refusal.facts


def stands(value: str, text: str) -> bool:
    """Whether a text says a value by itself: not 40 in 240 or 40.5, nor rows:8 in rows:80."""
    before, behind = r"(?<![0-9A-Za-z_])(?<![0-9][.,])", r"(?![0-9A-Za-z_])(?![.,][0-9])"
    return re.search(before + re.escape(value.strip()) + behind, text) is not None


def write_rows(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return path


@pytest.fixture(scope="session")
def identity_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty rows that teach a new name, zh and en; `probes.yaml` lies beside them."""
    from suretune.run.starter import write_starter

    folder = tmp_path_factory.mktemp("rows")
    names, authors = ("小光", "Glow"), ("星海实验室", "Star Lab")
    rows, _ = write_starter(folder, names, authors, ("zh", "en"))
    return rows


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, identity_file: Path) -> Path:
    """A run folder from `suretune sft` on the pocket model, sealed."""
    run = tmp_path_factory.mktemp("trained") / "run"
    done = suretune(
        "sft", "--model", "pocket", "--dataset", identity_file, "--output_dir", run,
        "--system", "You are a helpful assistant.", "--save_steps", 20, "--json",
        "--probes", identity_file.with_name("probes.yaml"),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return run
