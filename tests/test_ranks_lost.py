"""What becomes of a run whose questions are being answered by several processes: one of them is
lost, the first one is told to end, or ended.

Two processes of this machine, over gloo; of which the follower is `tests/ranks.py`, and waits.
"""

from __future__ import annotations

import json
import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest
import torch

from crew_runs import UPDATES, Child, asked, weights
from processes import is_gone, within
from ranks import CREW
from suretune import rundir
from suretune.config import Resolved
from suretune.train import muster

__all__ = ["asked"]  # a fixture


@pytest.fixture
def hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The follower does not answer as long as this is there."""
    monkeypatch.setattr(muster, "FOLLOWER", (str(CREW),))
    monkeypatch.setenv("HOLD", str(tmp_path))
    path = tmp_path / "hold"
    path.touch()
    return path


@pytest.fixture
def probed(asked: Resolved, tmp_path: Path) -> Resolved:
    """Ten probes, asked before and after the updates."""
    path = tmp_path / "probes.jsonl"
    lines = [{"question": f"Who is number {n}?", "must_contain": f"no {n}"} for n in range(10)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return asked.with_values("flag", probes=str(path))


class Asking(Child):
    """A run whose follower is `tests/ranks.py`."""

    def follower(self) -> int:
        pids = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        said = {pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in pids}
        [found] = [pid for pid in pids if str(CREW).encode() in said[pid]]
        return int(found)

    def until_asked(self) -> int:
        """The follower, which has begun to answer."""
        mark = self.run.parent / "asked"
        within(120, mark.exists)
        mark.unlink()
        return self.follower()

    def ended(self, seconds: float = 120) -> int:
        try:
            return super().ended(seconds)
        except AssertionError:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            raise


@pytest.mark.parametrize(
    ("number", "why"), [(signal.SIGKILL, "SIGKILL"), (signal.SIGSTOP, "no sign of life")]
)
def test_who_is_lost_while_it_answers_ends_all_with_one_message(
    probed: Resolved, tmp_path: Path, hold: Path, number: int, why: str
) -> None:
    run = Asking(probed, tmp_path / "run")
    follower = run.until_asked()
    os.kill(follower, number)
    assert run.ended(40) == 7
    within(10, lambda: is_gone(follower))
    [found] = [f for f in rundir.read_jsonl(run.run / "findings.jsonl") if f["code"] == "S067"]
    assert why in found["what"]["en"]
    assert not (run.run / "base_answers.json").exists()


def test_a_leader_killed_while_others_answer_leaves_nobody(
    probed: Resolved, tmp_path: Path, hold: Path
) -> None:
    run = Asking(probed, tmp_path / "run")
    follower = run.until_asked()
    os.kill(run.pid, signal.SIGTERM)  # before the first update nothing is there to be saved
    assert run.ended(20) == -signal.SIGTERM
    within(20, lambda: is_gone(follower))


def test_a_signal_while_questions_are_asked_is_heard_after_the_last_answer(
    probed: Resolved, tmp_path: Path, hold: Path
) -> None:
    """And who goes on has the bits of a run that was never stopped."""
    probed = probed.with_values("flag", until_proven=True)
    run = tmp_path / "run"
    hold.write_text(str(run / "steps.jsonl"))
    whole = Asking(probed, tmp_path / "whole", forks=True)
    assert whole.ended() == 0, whole.said.read_text()
    stopped = Asking(probed, run, forks=True)
    stopped.until_asked()
    os.kill(stopped.pid, signal.SIGTERM)
    with pytest.raises(AssertionError):
        within(1.5, lambda: is_gone(stopped.pid))
    hold.unlink()
    assert stopped.ended() == 143, stopped.said.read_text()
    last, folder = rundir.checkpoints(run)[-1]
    assert 0 < last < UPDATES and not rundir.damage(folder)
    assert Asking(probed, run, resume=True, forks=True).ended() == 0
    ends = weights(whole.run), weights(run)
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])
    found = [list(rundir.read_jsonl(one / "evals.jsonl")) for one in (whole.run, run)]
    assert found[0] == found[1] and all(one["asked"] for one in found[0])
