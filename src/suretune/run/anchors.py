"""The base's own answers to general questions, asked once a run and learned with the rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from suretune import __version__, rundir
from suretune.data.anchors import (
    APART,
    LONGEST,
    NEAR,
    OPENING,
    Anchor,
    answered,
    dealt,
    mixed,
    spread,
    stand_in,
    uses_of,
)
from suretune.data.choose import ITSELF, NARROW
from suretune.data.own_names import says_i
from suretune.model.generate import Asked, spoken
from suretune.preflight.check import Checked
from suretune.types import Sample, Text
from suretune.whole_names import says

FILE = "anchors.jsonl"  # of a run folder
FIELDS = {"name", "ids", "ended", "used"}  # of a line, as it is read


def with_anchors(checked: Checked, anchors: Sequence[Sample]) -> Checked:
    """The same run, anchors in every update."""
    schedule = checked.resolved.config.schedule
    ratio = schedule.anchor_ratio or 0.0
    used = [replace(anchor, soft=schedule.anchor_loss == "kl") for anchor in anchors]
    samples, plan = mixed(checked.samples, checked.plan, used, ratio, _per_row(checked))
    return replace(checked, samples=samples, plan=plan)


def _per_row(checked: Checked) -> float:
    return checked.resolved.config.schedule.anchors_per_row or 1.0


def with_stand_ins(checked: Checked, run: Path | None) -> Checked:
    """The same run as large as its anchors can make it: which of them it takes, and how long their
    answers are, is known once the base was asked."""
    longest = max(checked.anchors, key=lambda anchor: len(anchor.prompt), default=None)
    if longest is None:
        return checked
    tokens = max(answer_tokens(checked), _longest_of(run / FILE) if run else 0)
    return with_anchors(checked, [stand_in(longest, tokens)])


def _longest_of(path: Path) -> int:
    """Tokens of the longest answer of a run that goes on: an earlier version may have asked for
    more. What is damaged in its file is told when the answers are read, see `answer_anchors`."""
    with suppress(rundir.Damaged, AttributeError, KeyError, TypeError):
        return max((len(line["ids"]) for line in rundir.read_jsonl(path)), default=0)
    return 0


def answer_tokens(checked: Checked) -> int:
    """Tokens of an answer that is learned, at most."""
    schedule = checked.resolved.config.schedule
    if checked.narrow and schedule.anchor_loss == "kl":
        return OPENING
    return LONGEST


def answer_anchors(
    run: Path, base: Asked | None, checked: Checked
) -> tuple[list[Sample], list[Sample]]:
    """(to be learned, for drift), answered by the base, or read where a run goes on.

    An answer that names the old identity would teach it, an empty one nothing: both are left out.
    Where a wide model learns who it is, an answer in which the base says I comes more often: that
    is where another "I am ..." begins.
    """
    path = run / FILE
    if not path.exists():
        if base is None:
            raise rundir.Damaged(path, rundir.GONE)  # what it learned stands nowhere else
        learned, apart = _dealt_to(checked)
        rundir.write_jsonl(path, _asked(base, checked, learned, apart))
    lines: dict[str, Any] = {}
    try:
        lines = {line["name"]: line for line in rundir.read_jsonl(path)}
        learned, apart = _dealt_as(checked, list(lines))
        end = _end(checked)
        return _samples(learned, lines, end), _samples(apart, lines, end)
    except (KeyError, TypeError) as error:
        why: Text | BaseException = error
        if isinstance(error, KeyError):
            why = Text(f"{error.args[0]} is missing", f"缺少 {error.args[0]}")
        if _of_another_version(run, checked, lines):
            raise rundir.OtherKind(path, why) from error
        raise rundir.Damaged(path, why) from error


def _of_another_version(run: Path, checked: Checked, lines: Mapping[str, Any]) -> bool:
    """Whether a file that cannot be used was written so: by another version, with other fields or
    with questions that this one does not have. Lines that are only missing are damage."""
    about = run / "run.json"
    told = rundir.read_json(about).get("versions") if about.is_file() else None
    begun_by = told.get("suretune") if isinstance(told, dict) else __version__
    known = {anchor.general.name for anchor in checked.anchors}
    odd = not lines or set(lines) - known or any(FIELDS - set(line) for line in lines.values())
    return bool(odd) or begun_by != __version__


def _dealt_to(checked: Checked) -> tuple[list[Anchor], list[Anchor]]:
    """(to be learned, for drift): those of a run whose plan has no anchors in it yet."""
    schedule = checked.resolved.config.schedule
    uses = uses_of(checked.plan, schedule.anchor_ratio or 0.0, _per_row(checked))
    return dealt(checked.anchors, uses, schedule.seed, _per_row(checked))


def _dealt_as(checked: Checked, names: Sequence[str]) -> tuple[list[Anchor], list[Anchor]]:
    """The same of a run that goes on. One that an earlier version began, which dealt others, goes
    on with those of its file, in their order; KeyError for a line that is missing."""
    learned, apart = _dealt_to(checked)
    today = [anchor.general.name for anchor in (*learned, *apart)]
    there = set(names)
    same = list(names)[-APART:] == today[-APART:]  # or earlier, and a part of what was dealt then
    # In today's order it is today's: if a line is missing, whoever looks for it says which.
    if (same and there.issuperset(today)) or [n for n in today if n in there] == list(names):
        return learned, apart
    known = {anchor.general.name: anchor for anchor in checked.anchors}
    then = [known[name] for name in names]
    return then[: len(then) - APART][: len(learned)], then[len(then) - APART :]


def _end(checked: Checked) -> int | None:
    """The token by which the rows' answers end, if it is one that ends an answer."""
    chats = [sample for sample in checked.samples if sample.spans[0].start > 1]  # not mere text
    last = {sample.ids[sample.spans[-1].end - 1] for sample in chats}
    return min(last & checked.tokenizer.stop_ids, default=None)


def _asked(
    base: Asked,
    checked: Checked,
    learned: Sequence[Anchor],
    apart: Sequence[Anchor],
) -> list[dict[str, Any]]:
    tokenizer, said = checked.tokenizer, list[tuple[Anchor, list[int], int]]()
    for anchors, longest in (learned, answer_tokens(checked)), (apart, LONGEST):
        ids_of = spoken(
            base,
            [anchor.prompt for anchor in anchors],
            tokenizer.stop_ids,
            longest,
        )
        said += ((anchor, ids, longest) for anchor, ids in zip(anchors, ids_of, strict=True))
    gone = checked.identity.forbidden if checked.identity else ()
    lines = []
    for number, (anchor, ids, longest) in enumerate(said):
        answer = tokenizer.decode(ids)
        old = any(says(name, answer) for name in gone)
        about = anchor.general
        begins = checked.base.hidden >= NARROW and number < len(learned) and about.category == NEAR
        end = OPENING if begins else longest
        lines.append(
            {
                "name": about.name,
                "lang": about.lang,
                "category": about.category,
                "question": about.asked,
                "answer": answer,
                "ids": ids[:end],
                "ended": len(ids) < longest and len(ids) <= end,
                "used": bool(answer.strip()) and not old,
            }
        )
        if checked.narrow and number < len(learned) and says_i(answer):
            lines[-1]["turns"] = ITSELF
    return lines


def _samples(anchors: Sequence[Anchor], lines: Mapping[str, Any], end: int | None) -> list[Sample]:
    made, turns = [], []
    for anchor in anchors:
        line = lines[anchor.general.name]
        if line["used"]:
            made.append(answered(anchor, line["ids"], end if line["ended"] else None))
            turns.append(line.get("turns", 1))  # earlier versions wrote none
    return spread(made, turns)
