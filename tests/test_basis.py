"""`verify` where the base of a run lies elsewhere: told at once, found by its hashes, or named."""

from __future__ import annotations

import hashlib
import json
import shlex
import shutil
from pathlib import Path

import pytest

from suretune.cli import main
from suretune.pocket import MODEL
from suretune.record.journal import Journal, Stopped
from suretune.speak.basis import basis_of

OLD = "/another/machine/models/small"


@pytest.fixture
def moved(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A sealed run whose base was at OLD, on a machine where nothing is at OLD."""
    monkeypatch.chdir(tmp_path)
    run = tmp_path / "runs" / "first"
    shutil.copytree(trained, run)
    request, seal = run / "proof" / "request.json", run / "VERIFIED.json"
    told = json.loads(request.read_text("utf-8")) | {"base": OLD}
    request.write_text(json.dumps(told), "utf-8")
    record = json.loads(seal.read_text("utf-8"))
    record["files"]["proof/request.json"] = hashlib.sha256(request.read_bytes()).hexdigest()
    seal.write_text(json.dumps(record), "utf-8")
    return run


def other(folder: Path) -> Path:
    """A model of the same name, and other weights."""
    shutil.copytree(MODEL, folder)
    weights = folder / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    return folder


def test_a_base_that_is_gone_is_told_before_anything_is_loaded_and_the_command_works(
    moved: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("suretune.verify.fresh.Prover", None)  # no process may be started
    assert main(["verify", "runs/first"]) == 4
    said = capsys.readouterr()
    text = said.out + said.err
    assert "S001" in text and OLD in text
    command = next(line for line in text.splitlines() if line.startswith("        suretune"))
    *_, flag, place = shlex.split(command)
    assert (flag, place) == ("--model", "small")
    shutil.copytree(MODEL, place)
    base, note = basis_of(moved, place, Journal())
    assert base.folder == tmp_path / "small" and note is None


@pytest.mark.parametrize("place", ["small", "models/small", "../small", "runs/models/small"])
def test_the_same_weights_near_by_under_the_same_name_are_the_base_and_that_is_said(
    moved: Path, tmp_path: Path, place: str
) -> None:
    at = (tmp_path / place).resolve()
    shutil.copytree(MODEL, at)
    try:
        base, note = basis_of(moved, "", Journal())
        assert base.folder.resolve() == at
        assert note is not None and OLD in note.en and OLD in note.zh
    finally:
        shutil.rmtree(at)


def test_other_weights_are_never_the_base(moved: Path, tmp_path: Path) -> None:
    other(tmp_path / "small")
    with pytest.raises(Stopped) as stopped:
        basis_of(moved, "", Journal())
    assert [found.code for found in stopped.value.findings] == ["S001"]
    with pytest.raises(Stopped) as stopped:
        basis_of(moved, "small", Journal())
    assert [found.code for found in stopped.value.findings] == ["S012"]
    with pytest.raises(Stopped) as stopped:
        basis_of(moved, "nowhere", Journal())
    assert [found.code for found in stopped.value.findings] == ["S001"]


def test_a_server_is_asked_for_its_own_base(
    moved: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["verify", "http://127.0.0.1:9/v1", "--run", str(moved), "--model", "small"]
    assert main(words) == 2
    assert "C004" in capsys.readouterr().out


def test_the_proof_is_given_again_on_a_base_that_lies_elsewhere(
    moved: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(MODEL, tmp_path / "elsewhere")
    assert main(["verify", "runs/first", "--model", "elsewhere", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["verified"] and told["same_base"] and told["same_answers"]
