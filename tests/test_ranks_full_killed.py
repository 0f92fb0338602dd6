"""Of several processes that hold a base's own weights in shards, one is gone, or has no memory.

Two processes of this machine, over gloo. A file of its own, as `crew_runs.py` says.
"""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import pytest

from crew_runs import Child, six_updates, weights
from ranks import CREW
from suretune import rundir
from suretune.facts import SetupFacts
from suretune.guards import judge
from suretune.run.crew import ENGINE
from suretune.train import muster
from suretune.train.plain_engine import PLAIN_TOKENS
from test_full import same
from test_laws import relative

WHOLE = "model.safetensors"


def test_a_killed_process_ends_all_and_resumed_is_never_killed_bit_for_bit(tmp_path: Path) -> None:
    asked = six_updates(tmp_path).with_values("flag", tuner="full", learning_rate=1e-4)
    whole = Child(asked, tmp_path / "whole")
    assert whole.ended() == 0, whole.said.read_text()
    run = Child(asked, tmp_path / "run")
    run.until(2)
    os.kill(run.follower(), signal.SIGKILL)
    assert run.ended(30) == 7  # 10 s on a machine that does nothing else
    [found] = [f for f in rundir.read_jsonl(run.run / "findings.jsonl") if f["code"] == "S067"]
    assert str(run.run) in found["fix"]["en"]
    shutil.copytree(run.run, tmp_path / "other")
    assert Child(asked, run.run, resume=True).ended() == 0, run.said.read_text()
    ends = weights(whole.run, WHOLE)
    assert same(weights(run.run, WHOLE), ends)
    other = Child(asked, tmp_path / "other", resume=True, processes=1)
    assert other.ended() == 0, other.said.read_text()
    assert relative(weights(other.run, WHOLE), ends) < 1e-2
    lines = [list(rundir.read_jsonl(one.run / "steps.jsonl")) for one in (whole, other)]
    for mine, theirs in zip(*lines, strict=True):
        assert abs(mine["loss"] - theirs["loss"]) <= 1e-4 * mine["loss"]


def test_memory_that_runs_out_in_another_process_is_told_as_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Amid a pass that all compute together nobody can begin again in smaller ones."""
    most = tmp_path / "tokens"
    most.write_text("8")
    monkeypatch.setattr(muster, "FOLLOWER", (str(CREW),))
    monkeypatch.setenv("TOKENS", str(most))
    asked = six_updates(tmp_path).with_values("flag", tuner="full")
    run = Child(asked, tmp_path / "run")
    assert run.ended(60) == 4, run.said.read_text()
    [found] = [f for f in rundir.read_jsonl(run.run / "findings.jsonl") if f["stops"]]
    assert found["code"] == next(f.code for f in judge(SetupFacts("out-of-memory", "x")))
    assert f"suretune resume {run.run}" in found["fix"]["en"]
    assert rundir.read_json(run.run / ENGINE)["tokens_per_pass"] == PLAIN_TOKENS // 2
    monkeypatch.delenv("TOKENS")
    assert Child(asked, run.run, resume=True).ended(60) == 0, run.said.read_text()
    assert rundir.read_json(run.run / ENGINE)["tokens_per_pass"] == PLAIN_TOKENS // 2
