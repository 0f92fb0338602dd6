"""One of several processes is gone: all end with one message, and whoever goes on has its bits.

Two processes of this machine, over gloo. A file of its own, as `crew_runs.py` says.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
import torch

from crew_runs import UPDATES, Child, asked, weights
from processes import is_gone, within
from suretune import rundir
from suretune.config import Resolved
from suretune.run.folder import read_config
from test_laws import relative

__all__ = ["asked"]  # a fixture


def test_stopped_by_a_signal_and_resumed_is_never_stopped_bit_for_bit(
    asked: Resolved, tmp_path: Path
) -> None:
    """With dropout, whose masks are drawn by the state of the process that leads alone."""
    asked = asked.with_values("flag", lora_dropout=0.1)
    whole = Child(asked, tmp_path / "whole", forks=True)
    assert whole.ended() == 0
    stopped = Child(asked, tmp_path / "stopped", forks=True)
    stopped.until(2)
    follower = stopped.follower()
    os.kill(stopped.pid, signal.SIGTERM)
    assert stopped.ended() == 143
    within(20, lambda: is_gone(follower))
    assert not rundir.damage(rundir.checkpoints(stopped.run)[-1][1])
    assert Child(asked, stopped.run, resume=True, forks=True).ended() == 0
    ends = weights(whole.run), weights(stopped.run)
    assert ends[0].keys() == ends[1].keys()
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])
    events = list(rundir.read_jsonl(whole.run / "events.jsonl"))
    assert {"event": "processes", "size": 2, "devices": ["cpu", "cpu"]} in events


def test_a_killed_process_ends_all_and_one_process_goes_on(asked: Resolved, tmp_path: Path) -> None:
    alone = Child(asked.with_values("flag", num_gpus=1), tmp_path / "alone")
    assert alone.ended() == 0
    run = Child(asked, tmp_path / "run")
    run.until(2)
    os.kill(run.follower(), signal.SIGKILL)
    assert run.ended(30) == 7  # seconds as a rule
    [found] = [f for f in rundir.read_jsonl(run.run / "findings.jsonl") if f["code"] == "S067"]
    assert "SIGKILL" in found["what"]["en"] and str(run.run) in found["fix"]["en"]
    done = rundir.checkpoints(run.run)[-1][0]
    assert 2 <= done < UPDATES
    assert Child(asked, run.run, resume=True, processes=1).ended() == 0
    assert read_config(run.run / "config.yaml").config.engine.num_gpus == 1
    ends = weights(alone.run), weights(run.run)  # float32, and Adam: the order of sums is seen
    assert relative(ends[1], ends[0]) < 1e-2
    lines = [list(rundir.read_jsonl(one.run / "steps.jsonl")) for one in (alone, run)]
    for mine, theirs in zip(*lines, strict=True):
        assert mine["step"] == theirs["step"] and mine["tokens"] == theirs["tokens"]
        assert abs(mine["loss"] - theirs["loss"]) <= 1e-4 * mine["loss"]


def test_who_has_lost_a_process_trains_with_several_again(asked: Resolved, tmp_path: Path) -> None:
    whole = Child(asked, tmp_path / "whole", forks=True)
    assert whole.ended() == 0
    run = Child(asked, tmp_path / "run", again=True)
    run.until(2)
    os.kill(run.follower(), signal.SIGKILL)
    assert run.ended() == 0, run.said.read_text()
    ends = weights(whole.run), weights(run.run)
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])


def test_a_process_that_stands_still_ends_all(asked: Resolved, tmp_path: Path) -> None:
    run = Child(asked.with_values("flag", max_steps=100, save_steps=50), tmp_path / "run")
    run.until(2)
    follower = run.follower()
    os.kill(follower, signal.SIGSTOP)
    assert run.ended(40) == 7  # 8 s on a machine that does nothing else
    within(10, lambda: is_gone(follower))
    [found] = [f for f in rundir.read_jsonl(run.run / "findings.jsonl") if f["code"] == "S067"]
    assert "no sign of life" in found["what"]["en"]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_without_the_one_that_leads_nobody_stays(
    asked: Resolved, tmp_path: Path, number: int
) -> None:
    asked = asked.with_values("flag", max_steps=100, save_steps=50)
    run = Child(asked, tmp_path / "run", forks=True)
    run.until(1)
    follower = run.follower()
    os.kill(run.pid, number)
    assert run.ended(40) == -signal.SIGKILL  # by the other, where it stood still
    within(40, lambda: is_gone(follower))
    assert run.said.read_text().count("S067") == 1 and "suretune resume" in run.said.read_text()
