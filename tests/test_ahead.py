"""The proof's process begins before the large libraries, which leave out what nobody needs."""

from __future__ import annotations

import importlib.util
import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch

from suretune.config import Resolved
from suretune.model.lean import NEEDLESS, lean
from suretune.run import room
from suretune.verify import fresh, shares

# What is imported when the first process is started: it takes the place of the real ones.
BEGINS = """
import sys

def begun(command, *args, **more):
    large = [name for name in ("torch", "transformers", "peft") if name in sys.modules]
    sys.exit(f"{{command[1:3]}} after {{large}}")

import subprocess
subprocess.Popen = begun
{then}
"""
AHEAD = """
from suretune.config import Resolved
from suretune.run.ahead import looking_ahead
from types import SimpleNamespace
with looking_ahead(SimpleNamespace(resolved=Resolved.default()), None):
    pass
"""


@pytest.mark.parametrize(
    "then",
    [AHEAD, "from suretune.cli import main\nmain(['verify', {run!r}])"],
    ids=["a run", "a proof once more"],
)
def test_the_proofs_process_begins_before_the_libraries(then: str, trained: Path) -> None:
    """Each imports them for seconds: side by side, where training takes no longer than that."""
    script = BEGINS.format(then=then.format(run=str(trained)))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stderr.splitlines()[-1] == "['-m', 'suretune.verify.fresh'] after []"


@pytest.mark.parametrize("where", ["choose_device", "choose_dtype", "limit_memory", "too_small"])
def test_a_card_that_others_fill_is_told_and_another_fault_is_not_hidden(
    where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then not even CUDA's own context fits: the first thing that touches the card says so."""
    said = "CUDA error: out of memory. Search for `cudaErrorMemoryAllocation'"

    def answer(name: str, value: object) -> Callable[..., object]:
        def asked(*_: object) -> object:
            if name == where:
                raise RuntimeError(said)
            return value

        return asked

    answers = {"choose_device": torch.device("cuda"), "choose_dtype": "bfloat16",
               "limit_memory": None, "total_bytes": 0.0, "too_small": None}  # fmt: skip
    for name, value in answers.items():
        monkeypatch.setattr(room, name, answer(name, value))
    checked: Any = SimpleNamespace(resolved=Resolved.default(), base=None)
    facts = room.look(checked)
    assert facts and facts.problem == "out-of-memory" and "out of memory" in str(facts.found)
    said = "CUDA error: an illegal memory access was encountered"
    with pytest.raises(RuntimeError, match="illegal"):
        room.look(checked)


def test_further_processes_of_a_proof_begin_before_it_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """They load their libraries while others train, as the one does that starts them."""
    begun: list[list[str]] = []
    monkeypatch.setattr(shares, "Shares", begun.append)
    monkeypatch.setattr(sys, "stdin", io.StringIO())  # whoever started it went before telling
    fresh.main(["1", "2"])
    assert begun == [["1", "2"]]


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], bool]:
    """Packages of these names are installed, and none is imported: is one seen?"""
    for name in NEEDLESS:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").touch()
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.syspath_prepend(str(tmp_path))
    return lambda name: importlib.util.find_spec(name) is not None


def test_what_is_left_out_is_there_again(
    packages: Callable[[str], bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "transformers", raising=False)
    with pytest.raises(RuntimeError, match="amid"), lean():
        assert not any(map(packages, NEEDLESS))
        raise RuntimeError("amid")
    assert all(map(packages, NEEDLESS))
    assert not set(NEEDLESS) & set(sys.modules)


def test_nothing_is_hidden_from_who_has_it_or_has_transformers(
    packages: Callable[[str], bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "transformers", raising=False)
    mine = ModuleType("scipy")
    monkeypatch.setitem(sys.modules, "scipy", mine)
    with lean():
        assert sys.modules["scipy"] is mine and not packages("sklearn")
    assert sys.modules["scipy"] is mine
    monkeypatch.delitem(sys.modules, "scipy")
    monkeypatch.setitem(sys.modules, "transformers", ModuleType("transformers"))
    with lean():
        assert all(map(packages, NEEDLESS))
