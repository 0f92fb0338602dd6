"""Files that are nearly right, in the short form of `python -m fuzz`; what breaks is found."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from conftest import ROOT
from fuzz.files import OWN, cases, files, lines
from fuzz.law import judge
from suretune.data import examples, told, turns
from suretune.pocket import MODEL

WAY = {"model": str(MODEL), "on_bad_row": "skip", "mixed_shapes": True}


@pytest.mark.parametrize("amount", [90, pytest.param(360, marks=pytest.mark.long)])
def test_no_traceback_and_nothing_lost_unsaid(amount: int, tmp_path: Path) -> None:
    paths = [str(ROOT / "tests"), str(ROOT / "src")]
    done = subprocess.run(
        [sys.executable, "-m", "fuzz", "--amount", str(amount), "--seed", "14",
         "--seconds", "300"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "FUZZ_KEEP": str(tmp_path)},
        capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr[-4000:]
    assert done.stdout.startswith(f"files {amount}, ") and "tracebacks 0, broken 0" in done.stdout


def test_the_same_seed_makes_the_same_files() -> None:
    assert list(cases(3, 200)) == list(cases(3, 200)) != list(cases(4, 200))
    assert len({case.name for case in cases(3, 200)}) == 200


@pytest.mark.parametrize("name", OWN)
def test_small_files_of_every_shape_keep_the_law_as_they_are(name: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(lines(OWN[name]), "utf-8")
    names = {"model_name": ("Lumen",), "model_author": ("Hoshino",)} if name == "identity" else {}
    found = judge(path, {**WAY, **names})
    assert found["wrong"] == [] and found["rows"] == len(OWN[name])


@pytest.mark.parametrize(
    ("module", "name", "broken", "rows"),
    [
        (examples, "context_of", lambda value: "", OWN["pairs"]),  # a field is not read,
        (turns, "_thoughts", lambda item, field, origin: "", OWN["thoughts"]),  # nor a thought
    ],
)
def test_what_is_not_read_is_found(
    module: Any, name: str, broken: Any, rows: list[Any], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """A law that nothing can break would be none: here the reader is broken on purpose."""
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(rows[-1]) + "\n", "utf-8")
    assert judge(path, WAY)["wrong"] == []
    monkeypatch.setattr(module, name, broken)
    monkeypatch.setattr(told, "rewritten", lambda *words: 0)
    if name == "context_of":
        monkeypatch.setattr("suretune.data.collect.Fields.see", lambda *words: None)
    found = judge(path, WAY)
    assert found["learned"] and any("is not in the sample" in wrong for wrong in found["wrong"])


def test_every_file_of_our_own_is_mutated() -> None:
    assert {f"own-{name}.jsonl" for name in OWN} <= {name for name, _ in files()}
