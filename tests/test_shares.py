"""A proof by several fresh processes: what they say is what one says, and none stays."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import torch

from conftest import forking
from processes import is_gone, pids_where, within
from suretune import rundir
from suretune.model.generate import spoken
from suretune.verify.fresh import Prover
from suretune.verify.reload import REQUEST, RESULT
from suretune.verify.shares import SHARE, Shares

ROUNDED = {"held_out", "likelihood", "drift", "logits_gap", "logits_change", "logits_scale"}
OWN = {"pid", "seconds", "from_cache"}  # of a process


def compare(one: Any, two: Any, name: str = "") -> None:
    """Equal, but for what sums in another order may round."""
    if isinstance(one, dict):
        assert one.keys() == two.keys()
        for key in one.keys() - OWN:
            compare(one[key], two[key], key)
    elif name in ROUNDED and one is not None:
        assert one == pytest.approx(two, rel=1e-4, abs=1e-5)
    else:
        assert one == two, name


def test_two_processes_prove_what_one_proves(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SURETUNE_CACHE", "off")
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    request = run / "proof" / REQUEST
    request.write_text(json.dumps({**rundir.read_json(request), "parts": 2}))
    mark = f"SURETUNE_TESTS_PROOF={uuid4()}"
    monkeypatch.setenv(*mark.split("="))
    with forking():
        prover = Prover(["0"])
    with closing(prover):
        within(60, lambda: bool(shares_of(mark)))
        [further] = shares_of(mark)
        found = prover.prove(run, tmp_path / RESULT)
        within(20, lambda: is_gone(further))
    compare(rundir.read_json(trained / "proof" / RESULT), found)
    assert len(found["general"]["questions"]) == 100


def shares_of(mark: str) -> list[int]:
    """Further processes of the proof that has this in its environment."""
    return pids_where(
        lambda one: (
            (one / "cmdline").read_bytes().endswith(f"\0{SHARE}\0".encode())
            and mark.encode() in (one / "environ").read_bytes()
        )
    )


def test_whoever_asks_again_asks_in_the_same_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """By one process or by three: the same batches, the same answers in the same order."""
    asked: list[list[list[int]]] = []

    def answer(model: Any, prompts: Any, stops: Any, most: int) -> list[list[int]]:
        asked.append([list(prompt) for prompt in prompts])
        return [prompt[:most] for prompt in asked[-1]]

    class Other:
        def tell(self, told: Any) -> None:
            self.said = answer(None, *told[1:])

        def hear(self) -> Any:
            return self.said

    prompts = [[number] * (1 + number * 7 % 5) for number in range(11)]
    monkeypatch.setattr("suretune.verify.shares.spoken", answer)
    found = []
    for further in (0, 1, 2):
        shares, asked[:] = Shares(), []
        shares.parts, shares.further = 3, [Other() for _ in range(further)]  # type: ignore[misc]
        whole = shares.beside(torch.nn.Module())
        said = spoken(whole, prompts, frozenset({9}), 2)
        assert said == [prompt[:2] for prompt in prompts]
        found.append(sorted(asked))
    assert found[0] == found[1] == found[2] and len(found[0]) == 3
    assert Shares().beside(own := torch.nn.Module()) is own and Shares().depends == ()


def test_none_outlives_who_started_it(monkeypatch: pytest.MonkeyPatch) -> None:
    mark = f"SURETUNE_TESTS_PROOF={uuid4()}"
    monkeypatch.setenv(*mark.split("="))
    with forking():
        prover = Prover(["", ""])
    within(60, lambda: len(shares_of(mark)) == 2)
    further = shares_of(mark)
    prover.close()
    within(60, lambda: all(map(is_gone, further)))


def test_what_a_further_process_fails_by_is_said(tmp_path: Path) -> None:
    with forking():
        shares = Shares(["", ""])
    shares.open(tmp_path / "no run", "")
    first, second = shares.further
    with pytest.raises(RuntimeError, match=r"request\.json"):
        first.hear()
    os.kill(second._process.pid, signal.SIGKILL)
    with pytest.raises(RuntimeError, match=r"ended|request"):
        second.hear()
    second.tell([False, [[1]], [], 1])  # who is gone is heard of, not told
    for one in shares.further:
        assert one._process.wait(60)


SPEAKS = (  # in place of a further process: to what it is told it says a line, or stops, or half
    "import os, sys, time\nfor line in sys.stdin:\n    {}\n"
)


@pytest.mark.parametrize(
    ("does", "why"),
    [
        ("print('[[5]]', flush=True)", ""),
        ("time.sleep(600)", "said nothing for"),
        ("print('it could not load', file=sys.stderr); sys.exit(3)", "ended: 3 it could not load"),
        ("os.write(1, b'[[5, 6'); os.kill(os.getpid(), 9)", "ended: -9"),
        ("print('a library says hello', flush=True)", "a library says hello"),
    ],
)
def test_the_share_of_one_who_fails_is_answered_by_whoever_deals(
    does: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = subprocess.Popen
    monkeypatch.setattr(
        "suretune.verify.shares.subprocess.Popen",
        lambda command, **how: started([sys.executable, "-c", SPEAKS.format(does)], **how),
    )
    monkeypatch.setattr("suretune.verify.shares.PATIENCE", 5.0)
    monkeypatch.setattr(
        "suretune.verify.shares.spoken", lambda _, prompts, *__: [[9] for _ in prompts]
    )
    shares = Shares(["0"])
    [one] = shares.further
    for _ in range(2):
        said = spoken(shares.beside(torch.nn.Module()), [[1], [2, 2, 2]], frozenset(), 4)
        assert sorted(said) == ([[9], [9]] if why else [[5], [9]])
        assert shares.parts == 2 and len(shares.lost) == bool(why)
        assert all(why in said for said in shares.lost)
    assert bool(shares.further) is not bool(why)
    if why:
        assert one._process.wait(60)
    one._process.kill()
