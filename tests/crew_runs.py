"""Runs of several processes for tests: begun in a fork, watched, ended.

Who forks must hold no open world of torch.distributed: a fork has it, too, and can neither use it
nor open another. So tests with a `Child` stand in files whose fixtures hold none.
"""

from __future__ import annotations

import os
import traceback
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from safetensors.torch import load_file

from conftest import PLAIN, WARM, start_forks, write_rows
from processes import within
from shallow import shallow
from suretune import rundir
from suretune.config import Resolved
from suretune.preflight.check import check
from suretune.prepare.starter import identity_rows
from suretune.record.journal import Journal, Stopped
from suretune.run.compose import train_only
from suretune.run.crew import crew
from suretune.run.fit import Interrupted
from suretune.run.folder import make_run
from suretune.run.resume import reopen

UPDATES = 6


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Resolved:
    return six_updates(tmp_path_factory.mktemp("asked"))


def six_updates(folder: Path) -> Resolved:
    """Six updates of four rows by two processes, a checkpoint after each."""
    base = shallow(folder / "base")
    probe = folder / "probe.txt"
    probe.write_text("Who are you?\n")
    rows = write_rows(folder / "rows.jsonl", identity_rows(("Glow",), ("Star Lab",), ("en",))[:24])
    return Resolved.default().with_values(
        "flag", model=str(base), dataset=(str(rows),), max_steps=UPDATES, save_steps=1,
        gradient_accumulation_steps=4, probes=str(probe), device="cpu", learning_rate=1e-3,
        max_length=512, num_gpus=2, until_proven=False, anchor_ratio=0.0, general_questions=1,
    )  # fmt: skip


class Child:
    """A run in a fork of this process: the one that leads. Who follows is a fork, too, where a test
    has no signal for it."""

    def __init__(
        self,
        asked: Resolved,
        run: Path,
        *,
        resume: bool = False,
        processes: int | None = None,
        again: bool = False,
        forks: bool = False,
    ) -> None:
        assert not dist.is_initialized(), "a fork would have this process's world: see above"
        if forks:
            WARM.start({**os.environ, **PLAIN})
        self.run, self.said = run, run.with_suffix(".err")
        self.pid = os.fork()
        if self.pid == 0:
            status = 1
            try:
                os.dup2(os.open(self.said, os.O_WRONLY | os.O_CREAT), 2)
                if forks:
                    os.environ.update(PLAIN)
                    start_forks(pytest.MonkeyPatch())
                status = train_in(asked, run, resume, processes)
                if again:
                    status = status == 7 and train_in(asked, run, True, processes)
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(status)

    def until(self, updates: int) -> None:
        """Wait until so many were applied."""
        within(120, lambda: self._updates() >= updates)

    def _updates(self) -> int:
        path = self.run / "steps.jsonl"
        return len(path.read_text().splitlines()) if path.is_file() else 0

    def follower(self) -> int:
        """The other process."""
        pids = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        said = {pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in pids}
        [found] = [pid for pid in pids if b"suretune.train.follower" in said[pid]]
        return int(found)

    def ended(self, seconds: float = 120) -> int:
        """Its exit status, or minus the signal."""
        found: list[int] = []

        def over() -> bool:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            found.extend([os.waitstatus_to_exitcode(status)] if pid else [])
            return bool(pid)

        within(seconds, over)
        return found[0]


def train_in(asked: Resolved, run: Path, resume: bool, processes: int | None) -> int:
    """As the command line does it, without the proof."""
    torch.set_num_threads(1)
    journal = Journal()
    if resume:
        checked = reopen(run, journal, processes)
        journal.open(run)
    else:
        checked = check(asked.with_values("flag", output_dir=str(run)), journal)
        run = make_run(checked.resolved, journal)
    try:
        with crew(checked, run, journal) as world:
            train_only(checked, run, journal, resume=resume, world=world)
    except Interrupted as stopped:
        return stopped.status
    except Stopped as stopped:
        return stopped.status
    return 0


def weights(run: Path, learned: str = "adapter_model.safetensors") -> dict[str, torch.Tensor]:
    """What the last checkpoint holds, of `learned` and of the optimizer."""
    last = rundir.pointed(run, "last")
    assert last is not None and last.name == f"step-{UPDATES:06d}"
    files = (learned, "optimizer.safetensors")
    return {name: tensor for file in files for name, tensor in load_file(last / file).items()}
