"""What a check says of the rows and the plan, for the terminal, the report and `--json`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from suretune.config import Resolved
from suretune.data.ledger import Entry
from suretune.data.refusal import printable
from suretune.data.sources import Source, parse_source
from suretune.preflight.check import Checked
from suretune.reported import Data, Dataset, Planned, System, Unused, line_of


def data_summary(checked: Checked) -> dict[str, Any]:
    """`data_of` as JSON has it."""
    told: dict[str, Any] = line_of(data_of(checked))
    return told


def data_of(checked: Checked) -> Data:
    """Rows by dataset and what became of them, with their true shares of the loss."""
    weights = _weights(checked)
    names = dict.fromkeys(entry.dataset for entry in checked.entries)
    unused = [
        Unused(str(e.origin), e.state, e.reason)
        for e in checked.entries
        if e.state in ("rejected", "too-long", "quarantined", "also-learned")
        or (e.state == "general" and e.reason)  # a row of --dataset that was to be learned
    ]
    system = checked.system
    if checked.system_source == "template":
        system = checked.tokenizer.default_system
    files = [
        printable(str(path))
        for spec in checked.resolved.config.data.dataset
        for path in _files(spec)
    ]
    return Data(
        datasets=[_dataset(checked.entries, name, weights) for name in names],
        files=files,
        unused=unused,
        system=System(system, checked.system_source),
        from_cache=checked.from_cache,
    )


def _weights(checked: Checked) -> Mapping[str, float]:
    """What each data set adds to the loss. Anchors, which follow the rows, are none."""
    made: dict[str, float] = {}
    for sample in checked.samples[: checked.plan.rows]:
        made[sample.dataset] = made.get(sample.dataset, 0.0) + sample.loss_weight
    return made


def _dataset(entries: Sequence[Entry], name: str, weights: Mapping[str, float]) -> Dataset:
    mine = [entry for entry in entries if entry.dataset == name]
    return Dataset(
        name=name,
        read=len({entry.origin for entry in mine}),
        train=_states(mine, "train"),
        paraphrases=_states(mine, "paraphrase"),
        held_out=_states(mine, "held-out"),
        left_out=_states(
            mine,
            *("too-long", "not-sampled", "quarantined", "also-learned", "set-aside"),
        ),
        rejected=_states(mine, "rejected"),
        asked=_states(mine, "general"),
        share=weights.get(name, 0.0) / (sum(weights.values()) or 1.0),
    )


def _files(spec: str) -> tuple[Path, ...]:
    """What a dataset's name was resolved to, absolute."""
    source = parse_source(spec)
    return source.files if isinstance(source, Source) else ()


def _states(entries: Sequence[Entry], *states: str) -> int:
    return sum(entry.state in states for entry in entries)


def settings(resolved: Resolved) -> list[dict[str, Any]]:
    """Every option that is not at its default, with where its value comes from."""
    return [
        {"name": name, "value": value, "origin": origin}
        for name, value, origin in resolved.items()
        if origin != "default"
    ]


def plan_summary(checked: Checked) -> dict[str, Any]:
    """`plan_of` as JSON has it."""
    told: dict[str, Any] = line_of(plan_of(checked))
    return told


def plan_of(checked: Checked) -> Planned:
    """The figures of a plan, without its updates: those of the rows, and what anchors add."""
    plan, asked = checked.plan, checked.resolved.config.schedule
    rows = checked.samples[: plan.rows]
    return Planned(
        updates=plan.schedule.total,
        epochs=round(plan.schedule.total / plan.per_epoch, 2),  # a budget may have cut them
        rows_per_update=asked.rows_per_update,
        rows=plan.rows,
        held_out=plan.held_out,
        tokens=plan.tokens - plan.anchor_tokens,
        learned=plan.learned - plan.anchor_learned,
        warmup=plan.schedule.warmup,
        learning_rate=plan.schedule.peak,
        schedule=plan.schedule.kind,
        eval_steps=plan.eval_steps,
        save_steps=plan.save_steps,
        longest=max(len(sample.ids) for sample in rows),
        digest=plan.digest,
        anchor_tokens=plan.anchor_tokens,
        anchor_learned=plan.anchor_learned,
    )
