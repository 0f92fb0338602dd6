"""How the process of a command ends: with its status, and at once where a GPU was woken."""

from __future__ import annotations

import subprocess
import sys

import pytest

# A command that ends with 6, with an exit handler, a thread that is still at work, something that
# was printed, and something that the interpreter would take apart: its `__del__` speaks.
SCRIPT = """
import atexit, os, sys, threading, time
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
    print("said", end=" ")
    return 6

sys.modules["torch"] = SimpleNamespace(cuda=SimpleNamespace(is_initialized=lambda: {woken}))
kept = Apart()
entry.main = command
{before}
entry.run()
"""


def ended(woken: bool, before: str = "") -> tuple[int, str, str]:
    """Exit status, standard output and error."""
    script = SCRIPT.format(woken=woken, before=before)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("woken", [True, False], ids=["a GPU", "no GPU"])
def test_all_that_waits_for_the_end_is_done(woken: bool) -> None:
    status, said, aside = ended(woken)
    assert (status, said) == (6, "said thread done\nhandler called\n")
    assert ("taken apart" in aside) is not woken


def test_what_cannot_be_printed_is_not_swallowed() -> None:
    """On a full disk, say: the interpreter's own end tells it, by message and status."""
    status, _, aside = ended(True, "sys.stdout = open('/dev/full', 'w')")
    assert status and "No space left" in aside
