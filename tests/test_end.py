"""How the process of a command ends: with its status, and at once where a GPU was woken."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import write_rows

# A command that ends with 6, with an exit handler, a thread that is still at work, something that
# was printed, and something that the interpreter would take apart: its `__del__` speaks.
SCRIPT = """
import atexit, ctypes, os, sys, threading, time
from types import SimpleNamespace
import suretune.__main__ as entry

class Apart:
    def __del__(self):
        os.write(2, b"taken apart")

def work():
    time.sleep(0.3)
    print("thread done")

def command():
    atexit.register(print, "handler called")
    threading.Thread(target=work).start()
    print("said", end=" ", flush=True)
    ctypes.CDLL(None).printf(b"in C ")
    return 6

sys.modules["torch"] = SimpleNamespace(cuda=SimpleNamespace(is_initialized=lambda: {woken}))
kept = Apart()
entry.main = command
{before}
{run}
"""


def ended(woken: bool, before: str = "", run: str = "entry.run()") -> tuple[int, str, str]:
    """Exit status, standard output and error."""
    script = SCRIPT.format(woken=woken, before=before, run=run)
    env = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=env)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("woken", [True, False], ids=["a GPU", "no GPU"])
def test_all_that_waits_for_the_end_is_done(woken: bool) -> None:
    status, said, aside = ended(woken)
    assert status == 6
    # What C holds back comes where it is flushed: by itself at the end, or before the end is left.
    assert said.replace("in C ", "") == "said thread done\nhandler called\n" != said
    assert ("taken apart" in aside) is not woken


def test_what_cannot_be_printed_is_not_swallowed() -> None:
    """On a full disk, say: the interpreter's own end tells it, by message and status."""
    status, _, aside = ended(True, "sys.stdout = open('/dev/full', 'w')")
    assert status and "No space left" in aside


def test_who_cannot_wait_for_threads_has_the_status_still() -> None:
    status, said, _ = ended(
        True, "threading._shutdown = lambda: signal.raise_signal(signal.SIGINT); import signal"
    )
    assert (status, said.endswith("handler called\nin C ")) == (6, True)


def test_amid_another_program_that_one_goes_on() -> None:
    """Its status is an exception there, as ever: a notebook, a profiler, `runpy`."""
    amid = """
import runpy, suretune.cli
suretune.cli.main = command
try:
    runpy.run_module("suretune", run_name="__main__")
except SystemExit as end:
    print("went on after", end.code)
"""
    status, said, aside = ended(True, run=amid)
    assert status == 0 and "went on after 6" in said and "taken apart" in aside


def test_ctrl_c_amid_an_objects_end_is_heard_behind_it() -> None:
    """Python prints such an exception and goes on, and a run would have gone on to its verdict."""
    lost = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have it ignored

class Ends:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)
        print("not reached")

def command():
    try:
        Ends()
        time.sleep(5)
    except KeyboardInterrupt:
        return 130
    return 6

entry.main = command
"""
    assert ended(False, lost) == (130, "", "taken apart")


def test_ctrl_c_before_anything_has_begun_is_an_exit_status() -> None:
    script = "import sys, types\n"
    script += "class Stops(types.ModuleType):\n"
    script += "    def __getattr__(self, name):\n        raise KeyboardInterrupt\n"
    script += "sys.modules['suretune.cli'] = Stops('suretune.cli')\n"
    script += "import suretune.__main__"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


@pytest.mark.parametrize("verb", ["check", "explain"])
def test_who_has_seen_enough_makes_no_failure(verb: str, tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "rows.jsonl", [{"query": "Hi?", "response": "Ho."}] * 3)
    words = ["--model", "pocket", "--dataset", str(rows)] if verb == "check" else []
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "suretune", verb, *words]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True)
    os.close(writer)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
