"""The proof's process begins before the large libraries, which leave out what nobody needs."""

from __future__ import annotations

import gc
import importlib.util
import io
import shutil
import subprocess
import sys
import weakref
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch

from suretune import rundir
from suretune.config import Resolved
from suretune.data.base import find_base
from suretune.model.lean import NEEDLESS, lean
from suretune.pocket import MODEL
from suretune.run import room
from suretune.verify import fresh, reload, shares

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


@pytest.mark.parametrize("room", [0.5, 3.0, 1e4])
def test_a_base_is_loaded_ahead_only_where_much_is_free(
    room: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`room` GiB on the card: a second base beside the one that learns takes a quarter at most."""
    told: list[object] = []
    monkeypatch.setattr(fresh.Prover, "__init__", lambda self: None)
    monkeypatch.setattr(fresh.Prover, "_tell", lambda self, what: told.append(what))
    base = replace(find_base("pocket", weights=True), packed="nf4")
    fresh.Prover().load(base, "bfloat16", room * 2**30)
    assert told == ([["pocket", "nf4", "cuda", "bfloat16"]] if room > 2.5 else [])


def test_the_proof_takes_what_was_loaded_ahead(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """If it is the base that is asked for, in its precision; else that one is loaded."""
    (tmp_path / "proof").mkdir()
    request = reload.Request("pocket", "", "adapter", "cpu", "float32", None, 2048)
    rundir.write_json(tmp_path / "proof" / reload.REQUEST, asdict(request))
    used: list[Any] = []

    def measure(*given: Any) -> Any:
        used.append(given[3])
        return {}, None

    monkeypatch.setattr(reload, "measure", measure)
    same, other = (reload.load_ahead("pocket", "", "cpu", to) for to in ("float32", "bfloat16"))
    assert same is not None and other is not None
    for there in (same, other, None):
        reload.main(tmp_path, tmp_path / "result.json", there=there)
    first, *rest = used
    assert first is same[1]
    assert all(model is not first and model.dtype == torch.float32 for model in rest)


def test_a_base_loaded_ahead_is_compared_by_its_files_of_now(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    base = tmp_path / "base"
    shutil.copytree(MODEL, base)
    (tmp_path / "proof").mkdir()
    request = reload.Request(str(base), "", "adapter", "cpu", "float32", None, 2048)
    rundir.write_json(tmp_path / "proof" / reload.REQUEST, asdict(request))
    seen: list[str] = []

    def measure(*given: Any) -> Any:
        seen.append(given[2].fingerprint())
        return {}, None

    monkeypatch.setattr(reload, "measure", measure)
    there = reload.load_ahead(str(base), "", "cpu", "float32")
    for eps in (None, 0.5):  # as it was loaded, and changed since
        if eps:
            config = rundir.read_json(base / "config.json")
            rundir.write_json(base / "config.json", {**config, "rms_norm_eps": eps})
        reload.main(tmp_path, tmp_path / "result.json", there=there)
    assert there is not None and len(set(seen)) == 2


def test_a_base_that_cannot_be_loaded_ahead_is_left_to_the_proof(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Which says why: where it is gone, and whatever a kernel's compiler meets."""
    assert reload.load_ahead(str(tmp_path), "", "cpu", "float32") is None

    def broken(*_: object) -> None:
        raise ModuleNotFoundError("no triton")

    monkeypatch.setattr(reload, "rms_norm", broken)
    assert reload.load_ahead("pocket", "", "cpu", "float32") is None
    assert "not loaded ahead: ModuleNotFoundError: no triton" in capfd.readouterr().err


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


@pytest.mark.parametrize("collects", [True, False])
def test_no_cycles_are_looked_for_meanwhile(collects: bool, request: pytest.FixtureRequest) -> None:
    """And afterwards as before, also where an import fails."""
    request.addfinalizer(gc.enable)
    (gc.enable if collects else gc.disable)()
    with pytest.raises(ImportError), lean():
        assert not gc.isenabled()
        raise ImportError
    assert gc.isenabled() is collects


@pytest.fixture
def unfrozen() -> Iterator[None]:
    """Nothing is frozen, as in a process that nobody forked for the tests."""
    before = gc.get_freeze_count()
    gc.unfreeze()
    yield
    (gc.freeze if before else gc.unfreeze)()


def test_what_was_imported_is_old_at_once_and_can_still_be_collected(unfrozen: None) -> None:
    """A cycle that the imports made is looked at when all is, not with the next few objects; what
    somebody has frozen stays so."""

    class Thing:
        me: object

    with lean():
        thing = Thing()
        thing.me = thing
        gone = weakref.ref(thing)
        del thing
    assert gc.get_freeze_count() == 0
    gc.collect(1)
    assert gone() is not None
    gc.collect()
    assert gone() is None
    gc.freeze()
    with lean():
        pass
    assert gc.get_freeze_count() > 0


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
