"""What trackers are told of an event: numbers by the field's names, and words.

The numbers are those of steps.jsonl, evals.jsonl and the report, unrounded. A message is plain
data, for it goes to another process; `step` is the update after which it holds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from suretune.events import Concluded, Ended, Evaluated, Event, Found, TakenBack, Updated
from suretune.phrases import part, several
from suretune.types import Text
from suretune.words import say

GIB = 2**30
OF_UPDATES = {
    "loss": "train/loss",
    "grad_norm": "train/grad_norm",
    "learning_rate": "train/learning_rate",
    "epoch": "train/epoch",
    "step": "train/global_step",
    "tokens": "train/tokens",
    "learned": "train/learned_tokens",
    "seconds": "train/step_seconds",
    "tokens_per_second": "train/tokens_per_second",
    "share_of_limit": "train/share_of_limit",
}
OF_EVALUATIONS = {
    "held_out_loss": "eval/loss",
    "general": "general/right",
    "leaked": "general/leaked",
    "likelihood": "general/likelihood",
    "drift": "drift/nats",
}
OF_PROBES = {"passed": "probes/passed", "asked": "probes/asked"}
OF_GENERAL = ("asked", "before", "after", "lost", "gained", "loss_upper")  # of the report
AS_TRAINED = "as-trained"  # the probes that decide are asked as the rows were trained
# What is told of updates that a run took back; which ones is known where they were told.
AGAIN = {
    "many": Text(
        "Updates {first} to {last} were taken back; what is told of them from here on was made"
        " again.",
        "第 {first} 至 {last} 次更新被收回；此后这些次数的数据来自重做的更新。",
    ),
    "one": Text(
        "Update {first} was taken back; what is told of it from here on was made again.",
        "第 {first} 次更新被收回；此后这一次的数据来自重做的更新。",
    ),
}
BEFORE = {
    "many": Text(
        "Updates {first} to {last} were taken back once; what is told of them was made again.",
        "第 {first} 至 {last} 次更新曾被收回；这里的数据来自重做的更新。",
    ),
    "one": Text(
        "Update {first} was taken back once; what is told of it was made again.",
        "第 {first} 次更新曾被收回；这里的数据来自重做的更新。",
    ),
}
ELSEWHERE = Text(
    " It stands under `again-{again}/`, for the first figure of an update cannot be replaced here.",
    "这里不能替换一次更新已有的数据，所以它们写在 `again-{again}/` 下。",
)
Message = dict[str, Any]


def messages(event: Event, step: int) -> Iterator[Message]:
    """What is told of an event; `step`: the update after which it came."""
    match event:
        case Updated():
            line = event.line()
            values = _named(line, OF_UPDATES)
            if line["memory_bytes"]:
                values["train/memory_gib"] = line["memory_bytes"] / GIB
            yield _figures("update", line["step"], values)
        case Evaluated(kept=True):
            line = event.line()
            probes = _named(line, OF_PROBES) if line["asked"] else {}
            values = {**_named(line, OF_EVALUATIONS), **probes}
            yield _figures("evaluation", line["step"], values)
        case TakenBack():
            yield {"kind": "back", **asdict(event), "texts": _texts(), "elsewhere": say(ELSEWHERE)}
        case Found():
            found = event.finding
            name = f"findings/{found.code}"
            text = f"{found.code} {found.name} ({found.where}): {say(found.what)} {say(found.fix)}"
            yield {"kind": "text", "name": name, "step": step, "text": text}
        case Concluded():
            yield from _concluded(event.report, step)
        case Ended():
            yield {"kind": "end", "status": event.status}


def _texts() -> dict[str, dict[str, str]]:
    """Of updates that were told and are told again, and of those that were never told."""
    both = {"again": AGAIN, "before": BEFORE}
    return {kind: {n: say(text) for n, text in texts.items()} for kind, texts in both.items()}


def _concluded(report: Mapping[str, Any], step: int) -> Iterator[Message]:
    """The proof's figures, and the verdict with its reasons."""
    yield _figures("proof", step, proof_figures(report))
    told = ", ".join((str(report["verdict"]), *map(str, report["reasons"])))
    yield {"kind": "text", "name": "verdict", "step": step, "text": told}


def proof_figures(report: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of a report by their names; those that were not measured are not there."""
    general, held_out = part(report, "general"), part(report, "held_out")
    asked = [one for one in several(report, "probes") if part(one, "variant") == AS_TRAINED]
    judged = [good for one in asked if (good := part(one, "passed_after")) is not None]
    values = {
        "proof/probes_passed": sum(map(bool, judged)) if judged else None,
        "proof/probes_asked": len(judged) or None,
        "proof/eval_loss": part(held_out, "after"),
        "proof/eval_loss_before": part(held_out, "before"),
        "proof/drift_nats": part(general, "drift"),
        **{f"general/{name}": part(general, name) for name in OF_GENERAL},
        "general/net": _net(general),
        "adapter/dose": part(report, "dose", "value"),
    }
    return {name: float(value) for name, value in values.items() if value is not None}


def _net(general: Any) -> int | None:
    """Gained minus lost general answers."""
    gained, lost = part(general, "gained"), part(general, "lost")
    return None if gained is None or lost is None else int(gained) - int(lost)


def _named(line: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, float]:
    return {name: line[key] for key, name in names.items() if line.get(key) is not None}


def _figures(
    group: str,
    step: int,
    values: Mapping[str, float],
) -> Message:
    return {"kind": "figures", "group": group, "step": step, "values": values}
