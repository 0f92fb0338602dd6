"""A fork that stands in for a new Python does what that one does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from conftest import PLAIN, ROOT, WARM, suretune, write_rows
from kept_runs import kept_run

NO_FORK = "beside a GPU no process is forked"


@pytest.fixture(scope="module")
def python() -> str:
    """The executable, once there is somebody to fork for it."""
    if Path("/dev/nvidiactl").exists():
        pytest.skip(NO_FORK)
    WARM.start({**os.environ, **PLAIN})
    end = time.monotonic() + 120
    while not WARM.ready():
        assert time.monotonic() < end, "nobody waits"
        time.sleep(0.05)
    return str(WARM.python)


def forked(process: subprocess.Popen[str]) -> bool:
    """Whether this process waits for a fork, and is no new Python."""
    return b"warm.py" in Path(f"/proc/{process.pid}/cmdline").read_bytes()


@pytest.mark.parametrize(
    "words",
    [
        ("--version",), ("sftt",), ("check", "--lerning_rate", "1e-4"),
        ("check", "--model", "pocket", "--dataset", "rows.jsonl", "--json"),
        ("report", "nowhere"), ("explain", "D003"),
    ],
)  # fmt: skip
def test_a_fork_says_and_ends_as_a_new_python(
    words: tuple[str, ...], python: str, tmp_path: Path
) -> None:
    write_rows(
        tmp_path / "rows.jsonl", [{"instruction": f"Say {i}", "output": f"{i}"} for i in "abc"]
    )
    ended = [
        subprocess.run(
            [program, "-m", "suretune", *words], cwd=tmp_path, env={**os.environ, **PLAIN},
            capture_output=True, stdin=subprocess.DEVNULL, check=False,
        )
        for program in (python, sys.executable)
    ]  # fmt: skip
    mine, new = ((done.returncode, done.stdout, done.stderr) for done in ended)
    assert mine == new


def test_no_test_file_changes_the_environment_when_it_is_read() -> None:
    """Every command of every test would be a new Python then: all files are read first."""
    code = "; ".join((
        "import conftest, glob, importlib, os, pathlib, warm",
        "import torch._inductor.runtime.cache_dir_utils as added", "added.cache_dir()",
        "was = warm.early(dict(os.environ))",
        "[importlib.import_module(pathlib.Path(name).stem) for name in"
        f" sorted(glob.glob({str(ROOT / 'tests' / 'test_*.py')!r}))]",
        "now = warm.early(dict(os.environ))",
        "print({name for name in {*was, *now} if was.get(name) != now.get(name)})",
    ))  # fmt: skip
    paths = os.pathsep.join(map(str, (ROOT / "src", ROOT / "tests")))
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": paths},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "set()\n"


def test_what_libraries_add_to_the_environment_makes_no_new_python(python: str) -> None:
    """A test that has loaded torch has its variables in its environment, and hands them on."""
    import torch._inductor.runtime.cache_dir_utils as added

    added.cache_dir()
    assert "TORCHINDUCTOR_CACHE_DIR" in os.environ
    process = subprocess.Popen(
        [python, "-m", "suretune", "infer", "--model", "pocket"], env={**os.environ, **PLAIN},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    time.sleep(1)
    assert forked(process)
    process.communicate("")
    assert process.returncode == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_signal_to_the_executable_ends_the_fork(number: int, python: str) -> None:
    """Its streams end with it: nobody is left who holds them."""
    process = subprocess.Popen(
        [python, "-m", "suretune", "ask", "--model", "pocket", "--questions", "/dev/stdin"],
        env={**os.environ, **PLAIN}, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, preexec_fn=lambda: signal.signal(number, signal.SIG_DFL)
        if number != signal.SIGKILL else None,
    )  # fmt: skip
    time.sleep(1)
    assert process.poll() is None and forked(process)
    process.send_signal(number)
    process.stdout.read()  # type: ignore[union-attr]
    ended = process.wait(timeout=60)
    assert ended in (-number, 128 + number)


def test_what_a_fork_cannot_be_a_new_python_is(python: str) -> None:
    """Libraries read some of the environment once; and other code is not the command line."""
    code = "import sys; print(sys.orig_argv[1:], 'torch' in sys.modules)"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == f"{['-c', code]} False\n"
    said = suretune("check", PYTHONPATH=f"{os.environ.get('PYTHONPATH', '')}{os.pathsep}x")
    process = subprocess.Popen(
        [python, "-m", "suretune", "infer", "--model", "pocket"], text=True,
        env={**os.environ, **PLAIN, "HF_HOME": "/nowhere"}, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    time.sleep(1)
    assert not forked(process) and said.returncode == 2
    process.kill()
    process.communicate()


def test_a_kept_run_is_made_once_and_anew_if_it_was_left_half_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    made: list[Path] = []

    def make(folder: Path) -> None:
        made.append(folder)
        assert not list(folder.iterdir())
        (folder / "half").touch()
        if len(made) == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        kept_run("a", "b", make=make)
    folders = [kept_run("a", "b", make=make) for _ in range(2)]
    assert folders == made[:1] * 2 and made == [folders[0]] * 2
    assert kept_run("ab", make=make) != folders[0]
