"""What tests share: where real data lies, a run of the command line, a trained run to look at."""

from __future__ import annotations

import gc
import io
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from kept_runs import kept_run
from suretune.refusal import Refusal
from warm import Warm, lead

ROOT = Path(__file__).parent.parent
# Long ones first, so that two workers end together: one makes the run that many files share, while
# the other has what needs it later.
FIRST = (
    "test_serve", "test_recovery", "test_ranks", "test_ranks_killed", "test_serve_several",
    "test_planted",
    "test_families_matrix", "test_honesty", "test_kill", "test_cli", "test_chaos", "test_load",
    "test_sweep", "test_typed", "test_laws", "test_runs", "test_beside", "test_proving",
    "test_hub_runs", "test_full_8bit", "test_slots", "test_ranks_full", "test_full_runs",
    "test_told", "test_wall", "test_opened", "test_fixes_templates", "test_recipes", "test_dose",
    "test_rendered", "test_reword", "test_setup",
)  # fmt: skip
SHARED = ROOT.parent / "shared" / "data"

# As it is typed, PYTHONPATH=src:tests, it means nothing to a process that a test starts elsewhere.
if paths := os.environ.get("PYTHONPATH"):
    os.environ["PYTHONPATH"] = os.pathsep.join(map(os.path.abspath, paths.split(os.pathsep)))

# A core for each worker: threads beside them would only wait for one another.
os.environ.setdefault("OMP_NUM_THREADS", "1")

AS_STARTED = dict(os.environ)

settings.register_profile("suretune", deadline=None)  # other work on the machine is no failure
settings.load_profile("suretune")


BEGAN = time.monotonic()


@cache
def named(kind: str) -> frozenset[str]:
    """The tests that `KIND_tests.txt` names, as `file.py::name[member]` or all members of a name.

    long: of `make test-all`, left out by `make test`; hours: of these, left out by `make test-part`
    as well; slow: left out by `make quick`.
    """
    lines = (ROOT / "tests" / f"{kind}_tests.txt").read_text("utf-8").splitlines()
    return frozenset(line.strip() for line in lines if line.strip() and line[0] != "#")


NEED_TORCH = (
    "sft", "train", "resume", "ask", "infer", "serve", "verify", "compare", "demo", "reword",
)  # fmt: skip
WARM = Warm(os.environ.get("SURETUNE_TESTS_WARM"))  # of the process that started this worker


def pytest_configure(config: pytest.Config) -> None:
    """One waiting process for all workers, loading while they look for their tests."""
    if getattr(config.option, "numprocesses", None) and not config.getoption("--quick"):
        os.environ["SURETUNE_TESTS_WARM"] = str(WARM.folder)
        WARM.start({**os.environ, **PLAIN})


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int | None:
    """One worker more than cores: a tenth of what workers do is waiting, for a process that hangs
    on purpose, a server, a signal; nothing that is tested depends on a core of its own."""
    if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ:
        return None  # as it is told there
    return len(os.sched_getaffinity(0)) + 1


def pytest_unconfigure() -> None:
    WARM.close()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--part", help="K/N: every Nth long test, from the Kth")
    parser.addoption("--online", action="store_true", help="tests that need a network, too")
    parser.addoption("--minutes", type=float, help="what has not begun by then is skipped")
    parser.addoption("--quick", action="store_true", help="no torch, no process")


class Quick:
    """Of `make quick`: what loads torch or starts a process is skipped where it would begin to.

    The process that renders templates is let through: it is there in a moment.
    """

    heavy = ("torch", "transformers", "peft")

    def find_spec(self, name: str, *_: object) -> None:
        if name in self.heavy:
            pytest.skip(f"needs {name}: make test", allow_module_level=True)

    def __init__(self) -> None:
        begin = subprocess.Popen.__init__

        def light(process: Any, command: Any, *more: Any, **named: Any) -> None:
            if "walled.main()" not in str(command):
                pytest.skip("needs a process: make test", allow_module_level=True)
            begin(process, command, *more, **named)

        subprocess.Popen.__init__ = light  # type: ignore[method-assign]
        sys.meta_path.insert(0, self)  # type: ignore[arg-type]


def pytest_runtest_setup(item: pytest.Item) -> None:
    minutes = item.config.getoption("--minutes")
    if minutes is not None and time.monotonic() - BEGAN > 60 * minutes:
        pytest.skip(f"{item.name}: {minutes:g} minutes are over, left to make test-all")


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Iterator[Any]:
    """What is there once all tests are known stays to the end: no search for garbage looks at it,
    which took a sixth of the time of tests that make many small objects."""
    if session.config.getoption("--quick"):  # workers have begun: that starts processes, too
        Quick()
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Marks, the part that was asked for, and the long files first, all else in its order."""
    for item in items:
        name = f"{item.path.name}::{item.name}"
        for kind in ("long", "hours", "slow"):
            if not {name, name.partition("[")[0]}.isdisjoint(named(kind)):
                item.add_marker(getattr(pytest.mark, kind))
    if not config.getoption("--online"):
        items[:] = [item for item in items if not item.get_closest_marker("online")]
    if part := config.getoption("--part"):
        first, every = map(int, part.split("/"))
        long = [item for item in items if item.get_closest_marker("long")]
        long = [item for item in long if not item.get_closest_marker("hours")]
        items[:] = long[first - 1 :: every]
    last = len(FIRST)
    items.sort(key=lambda item: FIRST.index(item.path.stem) if item.path.stem in FIRST else last)


def shared(name: str) -> Path:
    """A real file for tests, or a skip with the reason."""
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"{path} is not there")
    return path


PLAIN = {"HF_HUB_OFFLINE": "1", "SURETUNE_LANG": "en", "OMP_NUM_THREADS": "1", "NO_COLOR": "1"}


def suretune(
    *words: object,
    cwd: Path | None = None,
    timeout: float = 240,
    typed: str | None = None,
    **env: str,
) -> subprocess.CompletedProcess[str]:
    """The command line in a process of its own (`warm.py`), without network, in English.

    `typed`: what stands in its standard input.
    """
    if words[0] in NEED_TORCH:
        WARM.start({**os.environ, **PLAIN})
    return subprocess.run(
        [WARM.python, "-m", "suretune", *map(str, words)],
        cwd=cwd,
        env={**os.environ, **PLAIN, **env},
        input=typed,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


# What starts processes of the package that load torch.
STARTERS = (
    "suretune.verify.fresh",
    "suretune.verify.shares",
    "suretune.export.apart",
    "suretune.train.muster",
)


def start_forks(patched: pytest.MonkeyPatch, env: dict[str, str] | None = None) -> None:
    """What the package starts from this test's own process is a fork, too, until this is undone.

    `env`: the environment of what it starts, where that is no part of the test; else its own.
    """
    there = [name for name in STARTERS if name in sys.modules]
    for name in there:
        patched.setattr(sys.modules[name], "subprocess", subprocess)  # which is put back
    lead(str(WARM.python), *there, env=env)


@contextmanager
def forking() -> Iterator[None]:
    """`start_forks`, in the environment that a fork can have."""
    WARM.start({**os.environ, **PLAIN})
    with pytest.MonkeyPatch.context() as patched:
        for name, value in PLAIN.items():
            patched.setenv(name, value)
        start_forks(patched)
        yield


@pytest.fixture
def forks() -> Iterator[None]:
    """Of a whole test."""
    with forking():
        yield


def within(
    *given: object, cwd: Path | None = None, typed: str | None = None, **env: str
) -> subprocess.CompletedProcess[str]:
    """`suretune()` in the test's own process, in a fifth of the time: where nothing of a process
    is tested but what it says and its status. Folder, environment and language are put back.

    `typed`: what stands in its standard input.
    """
    from suretune import words
    from suretune.cli import main

    words_typed = list(map(str, given))
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    before = dict(os.environ)
    with pytest.MonkeyPatch.context() as patched, redirect_stdout(out), redirect_stderr(err):
        if cwd is not None:
            patched.chdir(cwd)
        if typed is not None:
            stream = io.TextIOWrapper(io.BytesIO(typed.encode()), "utf-8")
            patched.setattr(sys, "stdin", stream)
        start_forks(patched)
        os.environ.update({**PLAIN, **env})
        try:
            status = main(words_typed)
        finally:
            words.choose(None)
            os.environ.clear()
            os.environ.update(before)
    said, warned = (bytes(stream.buffer.getvalue()).decode() for stream in (out, err))
    return subprocess.CompletedProcess(words_typed, status, said, warned)


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
    from suretune.prepare.starter import write_starter

    folder = tmp_path_factory.mktemp("rows")
    names, authors = ("小光", "Glow"), ("星海实验室", "Star Lab")
    rows, _ = write_starter(folder, names, authors, ("zh", "en"))
    return rows


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, identity_file: Path) -> Path:
    """A run folder from `suretune sft` on the pocket model, sealed; a copy for each worker."""
    words = (
        "--system", "You are a helpful assistant.", "--save_steps", "20",
        "--general_questions", "100", "--max_steps", "40", "--gradient_accumulation_steps", "8",
        "--json",
    )  # fmt: skip

    def train(folder: Path) -> None:
        shutil.copytree(identity_file.parent, folder / "rows")
        rows = folder / "rows" / identity_file.name
        done = suretune(
            "sft", "--model", "pocket", "--dataset", rows, "--output_dir", folder / "run", *words,
            "--probes", rows.with_name("probes.yaml"), timeout=600,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]

    run = tmp_path_factory.mktemp("trained") / "run"
    rows = (identity_file, identity_file.with_name("probes.yaml"))
    kept = kept_run(*words, *(path.read_text("utf-8") for path in rows), make=train)
    shutil.copytree(kept / "run", run)
    return run
