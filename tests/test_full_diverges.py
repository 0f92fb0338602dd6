"""A full fine-tune whose rate is far too high: unaided it is lost; with the defaults it ends well.

The story of the articles (a rate of 3e-4 for a 7B, lost after 3,600 updates) in twelve updates of
the pocket model, provoked by its rate alone.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from conftest import write_rows
from suretune import rundir
from suretune.config import Resolved
from suretune.pocket import MODEL
from suretune.preflight.check import check
from suretune.prepare.starter import identity_rows
from suretune.record.journal import Journal
from suretune.train.loop import Applied, train
from suretune.train.rollback import ATTEMPTS
from test_full import POCKET, whole_learner
from test_kill import forked

RATES = (3e-2, 1e-1)  # the usual one is 2e-4
SEEDS = (1, 2, 3, 4, 5)
UPDATES = 12


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Resolved:
    """Twelve updates of sixteen rows, as by default, without anchors that would hold it."""
    folder = tmp_path_factory.mktemp("diverges")
    rows = identity_rows(("Glow", "小光"), ("Star Lab", "星海实验室"), ("en", "zh"))[:48]
    base = folder / "base"
    base.mkdir()
    for path in MODEL.iterdir():
        if path.name != "skills.jsonl":
            (base / path.name).symlink_to(path)
    probe = folder / "probe.txt"
    probe.write_text("Who are you?\n")
    return Resolved.default().with_values(
        "flag", model=str(base), dataset=(str(write_rows(folder / "rows.jsonl", rows)),),
        max_steps=UPDATES, tuner="full", device="cpu",
        probes=str(probe), split_dataset_ratio=0.0, anchor_ratio=0.0, until_proven=False,
        lr_scheduler_type="constant", max_length=512,
    )  # fmt: skip


def unaided(asked: Resolved, rate: float, seed: int) -> list[float]:
    """The losses, clipped as by default, where nobody looks at them."""
    checked = check(asked.with_values("flag", learning_rate=rate, seed=seed), Journal())
    learner = replace(
        whole_learner(base=POCKET), max_grad_norm=checked.resolved.config.schedule.max_grad_norm
    )
    updates = train(learner, list(checked.samples), checked.plan, 0)
    return [event.record.loss for event in updates if isinstance(event, Applied)]


def is_lost(losses: list[float]) -> bool:
    """It ends above where it began, or the way there was lost twice over."""
    return losses[-1] > losses[0] or max(losses) > 2 * losses[0]


@pytest.mark.long
def test_a_rate_that_is_lost_unaided_is_caught_and_ends_well(
    asked: Resolved, tmp_path: Path
) -> None:
    """The lesser of two rates at which most seeds are lost; then each of them as it is run."""
    for rate in RATES:
        lost = sum(is_lost(unaided(asked, rate, seed)) for seed in SEEDS[:3])
        if lost == 3:
            break
    assert lost == 3
    for seed in SEEDS:
        run = tmp_path / f"run-{seed}"
        mine = asked.with_values("flag", learning_rate=rate, seed=seed)
        assert forked(mine, run, resume=False, kill_after=None) == 0
        events = list(rundir.read_jsonl(run / "events.jsonl"))
        back = [event for event in events if event["event"] == "rolled-back"]
        assert 1 <= len(back) <= ATTEMPTS, seed
        assert all(1 < event["step"] <= UPDATES for event in back)  # where it was seen
        losses = [step["loss"] for step in rundir.read_jsonl(run / "steps.jsonl")]
        assert len(losses) == UPDATES and losses[-1] < losses[0], (seed, losses)
        print(rate, seed, [event["step"] for event in back], round(losses[-1], 3))
