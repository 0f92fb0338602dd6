"""The base's own answers to general questions, asked once a run and learned with the rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from suretune import rundir
from suretune.data.anchors import LONGEST, Anchor, answered, dealt, mixed, uses_of
from suretune.model.generate import Talker, spoken
from suretune.run.check import Checked
from suretune.types import Sample

FILE = "anchors.jsonl"  # of a run folder


def with_anchors(checked: Checked, anchors: Sequence[Sample]) -> Checked:
    """The same run, anchors in every update."""
    schedule = checked.resolved.config.schedule
    ratio = schedule.anchor_ratio or 0.0
    used = [replace(anchor, soft=schedule.anchor_loss == "kl") for anchor in anchors]
    samples, plan = mixed(checked.samples, checked.plan, used, ratio, schedule.seed)
    return replace(checked, samples=samples, plan=plan)


def dealt_to(checked: Checked) -> tuple[list[Anchor], list[Anchor]]:
    """(to be learned, for drift): those of a run whose plan has no anchors in it yet."""
    schedule = checked.resolved.config.schedule
    uses = uses_of(checked.plan, schedule.anchor_ratio or 0.0)
    return dealt(checked.anchors, uses, schedule.seed)


def answer_anchors(
    run: Path, base: Talker | None, checked: Checked
) -> tuple[list[Sample], list[Sample]]:
    """(to be learned, for drift), answered by the base, or read where a run goes on.

    An answer that names the old identity would teach it, an empty one nothing: both are left out.
    """
    learned, apart = dealt_to(checked)
    path = run / FILE
    if not path.exists():
        if base is None:
            raise ValueError(f"{path} is missing and nobody is there to answer")
        rundir.write_jsonl(path, _asked(base, checked, [*learned, *apart]))
    lines = {line["line"]: line for line in rundir.read_jsonl(path)}
    end = _end(checked)
    return _samples(learned, lines, end), _samples(apart, lines, end)


def _end(checked: Checked) -> int | None:
    """The token by which the rows' answers end, if it is one that ends an answer."""
    chats = [sample for sample in checked.samples if sample.spans[0].start > 1]  # not mere text
    last = {sample.ids[sample.spans[-1].end - 1] for sample in chats}
    return min(last & checked.tokenizer.stop_ids, default=None)


def _asked(base: Talker, checked: Checked, anchors: Sequence[Anchor]) -> list[dict[str, Any]]:
    tokenizer = checked.tokenizer
    stops = tokenizer.stop_ids
    said = spoken(base, [anchor.prompt for anchor in anchors], stops, LONGEST)
    gone = checked.identity.forbidden if checked.identity else ()
    lines = []
    for anchor, ids in zip(anchors, said, strict=True):
        answer = tokenizer.decode(ids)
        old = any(name.lower() in answer.lower() for name in gone)
        lines.append({
            "line": anchor.line, "question": anchor.question, "answer": answer, "ids": ids,
            "ended": len(ids) < LONGEST, "used": bool(answer.strip()) and not old,
        })  # fmt: skip
    return lines


def _samples(anchors: Sequence[Anchor], lines: Mapping[int, Any], end: int | None) -> list[Sample]:
    made = []
    for anchor in anchors:
        line = lines[anchor.line]
        if line["used"]:
            made.append(answered(anchor, line["ids"], end if line["ended"] else None))
    return made
