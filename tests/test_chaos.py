"""The suite of faults in its short form, every part of it; and its page in the documentation."""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from chaos import figures, inject
from chaos.__main__ import SIZES
from chaos.bench import Bench, Planted
from chaos.hostile import HOSTILE
from chaos.loud import LOUD
from chaos.nursery import ForkedProver
from chaos.silent import SILENT
from conftest import ROOT
from suretune.verify.fresh import Prover


def test_every_part_in_its_short_form(tmp_path: Path) -> None:
    out = tmp_path / "figures.json"
    paths = [str(ROOT / "tests"), str(ROOT / "src"), os.environ.get("PYTHONPATH", "")]
    done = subprocess.run(
        [sys.executable, "-m", "chaos", "--out", out],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True, text=True, timeout=400, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr[-4000:]
    told = json.loads(out.read_text("utf-8"))
    assert set(told["parts"]) == set(SIZES) and set(figures.NAMES) <= set(told)
    assert 0 < told["kills"] == told["kills_bit_exact"]
    assert 0 < told["silent_faults"] == told["silent_caught"] < told["faults"]
    assert told["clean_runs"] > 0 and told["fuzzed_files"] >= 100
    assert told["false_alarms"] == told["tracebacks"] == told["rows_lost"] == 0


def test_the_page_is_what_the_figures_and_tables_make() -> None:
    text = figures.PAGE.read_text("utf-8")
    assert text == figures.page(figures.read(), text), "run `python -m chaos`, or a part of it"


def test_what_only_strict_refuses_is_so_called_and_noted_without_it(tmp_path: Path) -> None:
    (row,) = [row for row in SILENT if row.id == "flag-without-effect"]
    assert row.caught == "C004, exit 2 with `--strict`, else C015"
    bench = Bench(tmp_path)
    assert row.missed(bench) == ""
    unstopped = replace(row, plant=lambda at: Planted([*row.plant(at).words, "--strict"]))
    assert unstopped.missed(bench).startswith("status 2 (C004), not 0: ")


def test_the_forked_proof_process_takes_what_the_real_one_takes() -> None:
    """What is called without it is found here, not in the long form."""
    public = [name for name, _ in inspect.getmembers(Prover, inspect.isfunction) if name[0] != "_"]
    for name in ("__init__", *public):
        real, forked = (getattr(one, name) for one in (Prover, ForkedProver))
        assert list(inspect.signature(real).parameters) == list(
            inspect.signature(forked).parameters
        )


@pytest.mark.parametrize("kind", inject.KINDS)
def test_what_a_fault_is_put_into_is_there(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The long form alone injects most of them: a function that was renamed would be found late."""
    found: list[str] = []

    def looked_up(owner: object, name: str, *_: object, **__: object) -> None:
        assert callable(getattr(owner, name))
        found.append(name)

    monkeypatch.setattr(inject, "_nth", looked_up)
    wanted = inspect.signature(inject.KINDS[kind]).parameters
    inject.KINDS[kind](*[1] * len(wanted))
    assert len(found) == 1


def test_every_fault_has_a_name_of_its_own() -> None:
    for table in (SILENT, LOUD, HOSTILE):
        names = [fault.id for fault in table]
        assert len(names) == len(set(names)) >= 40
    assert all(fault.what and fault.caught for fault in SILENT)


def test_figures_of_a_part_that_did_not_run_are_kept_with_their_commit() -> None:
    old = {"date": "2020-01-01", "commit": "old", "kills": 7, "kills_bit_exact": 7}
    told = figures.merged({"parts": {"kills": old}}, {"clean": {"clean_runs": 3}})
    assert told["parts"]["kills"] == old and told["kills"] == 7 and told["clean_runs"] == 3
    assert told["parts"]["clean"]["commit"] == told["commit"] != "old"
