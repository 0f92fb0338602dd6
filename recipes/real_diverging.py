"""A full fine-tune that nobody looks at, and what one that is looked at tells of how it recovered.

Which rates and seeds are run, and what *diverged* means, stands in `real_tables.py`.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from real_tables import has_diverged

from suretune import rundir
from suretune.cli import VERBS
from suretune.cli.parse import parse
from suretune.phrases import is_number
from suretune.preflight.check import Checked, check, with_weights
from suretune.record.journal import Journal
from suretune.run.fit import choose_hardware, make_learner, open_base
from suretune.run.folder import versions
from suretune.train.loop import Applied, train

SFT = next(verb for verb in VERBS if verb.name == "sft")


def unaided(command: Sequence[str]) -> dict[str, Any]:
    """What becomes of the updates that these words of `suretune sft` plan where nobody looks.

    The same rows, plan, loop, engine, optimizer and clipping; every update that is proposed is
    applied. There is no proof: nothing is kept of it.
    """
    parsed = parse(SFT, command, {})
    if parsed.faults:
        raise RuntimeError(f"{parsed.faults}: {' '.join(command)}")
    journal = Journal()
    began = time.perf_counter()
    checked = check(parsed.resolved, journal)
    resolved, device = choose_hardware(checked.resolved, journal)
    checked = with_weights(replace(checked, resolved=resolved), journal)
    dtype = resolved.config.model.torch_dtype or "float32"
    model = open_base(checked.base, dtype, device, (), journal)
    learner = make_learner(model, checked, journal)
    held = [sample for row in checked.held_out for sample in row.samples]
    before = learner.engine.mean_loss(held)
    losses = [
        event.record.loss
        for event in train(learner, _without_anchors(checked), checked.plan, 0)
        if isinstance(event, Applied)
    ]
    found = {
        "held_out": {
            "before": before,
            "after": finite(learner.engine.mean_loss(held)),
            "rows": len(checked.held_out),
        },
        "updates": len(losses),
        "losses": [finite(loss) for loss in losses],
        "rate": checked.plan.schedule.peak,
        "seconds": round(time.perf_counter() - began, 2),
        "reasons": [],
        "versions": versions(),
    }
    return {**found, "verdict": "diverged" if has_diverged(found) else "did not diverge"}


def _without_anchors(checked: Checked) -> list[Any]:
    """The samples of a plan that has none; ValueError: it asks for the base's own answers."""
    if checked.resolved.config.schedule.anchor_ratio:
        raise ValueError("an unaided run is made without anchors")
    return list(checked.samples)


def recovered(run: Path, peak: float) -> dict[str, Any]:
    """Where a run saw that it was getting lost, and what it did: `seen` has an entry each time that
    it went back (`step`: the update that showed it; `back_to`: updates done in the state that was
    put back), `ended_rate` the peak rate that was left of `peak`."""
    events = list(rundir.read_jsonl(run / "events.jsonl"))
    back = [event for event in events if event["event"] == "rolled-back"]
    return {
        "rate": peak,
        "seen": [{name: one[name] for name in ("step", "back_to", "rate_scale")} for one in back],
        "spikes": [event["step"] for event in events if event["event"] == "loss-spike"],
        "ended_rate": peak * (back[-1]["rate_scale"] if back else 1.0),
        "losses": [finite(step["loss"]) for step in rundir.read_jsonl(run / "steps.jsonl")],
    }


def finite(value: float | None) -> float | None:
    """A number, or None for what JSON cannot say."""
    return value if is_number(value) else None
