"""What is wrong with rows and files, told: each once, of very many the first and how many more;
and what an exception says, wherever it was met."""

from __future__ import annotations

import errno
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

from suretune.because import FULL, in_words, number_of
from suretune.config import Resolved
from suretune.data.collect import Collected
from suretune.data.template import TemplateRefused
from suretune.data.wall import Unfit
from suretune.facts import Facts, FlagFacts, SetupFacts
from suretune.guards.guard import both, place
from suretune.record.journal import Journal
from suretune.record.meant import begun_by_another, way_back
from suretune.refusal import Refusal
from suretune.rundir import Damaged, OtherKind
from suretune.types import Fault, Origin, Text

MOST_TOLD = 100  # findings of one kind about one field of one file


def facts_of(error: Exception) -> Facts | None:
    """What has a finding of its own wherever it happens: a file of a run, a disk that is full or
    read-only, a template; else None."""
    if isinstance(error, Refusal):
        return error.facts
    if isinstance(error, OtherKind):
        return begun_by_another(error.path)
    if isinstance(error, Damaged):
        return SetupFacts(
            "checkpoint-damaged",
            str(error.path),
            error.why,
            way_back(error.path),
        )
    if number_of(error) in FULL:
        return SetupFacts(
            "disk-full",
            "",
            in_words(error),
        )
    if number_of(error) == errno.EROFS:
        place = str(getattr(error, "filename", None) or "")
        return SetupFacts(
            "output-not-writable",
            place,
            in_words(error),
            spare="file",
        )
    if isinstance(error, Unfit):
        return error.fault
    if isinstance(error, TemplateRefused):
        return Fault(
            "template-refused",
            Origin("--questions", 0),
            found=str(error),
        )
    return None


def tell_faults(
    found: Collected,
    resolved: Resolved,
    journal: Journal,
) -> None:
    """A faulty row may be skipped if asked; a faulty file never, nor what hides other rows."""
    skip = resolved.config.data.on_bad_row == "skip"
    for fault in _first_of_each(found.faults):
        if skip and fault.ends and fault.origin.line:
            fault = replace(fault, hint=_cannot_skip(fault.hint))
        skipped = skip and _may_be_skipped(fault)
        journal.look(
            fault,
            stops=not skipped,
            fate="skipped" if skipped else "",
        )


def all_is_said(found: Collected, resolved: Resolved) -> bool:
    """Whether faults that stop the run say why no row is left."""
    skip = resolved.config.data.on_bad_row == "skip"
    stopping = any(not (skip and _may_be_skipped(fault)) for fault in found.faults)
    return stopping and not found.ready


def look_for_rows(
    apart: Collected,
    resolved: Resolved,
    flag: str,
    named: Sequence[str],
    journal: Journal,
) -> None:
    """Rows that are only measured were asked for: that none is left is a stop of its own where
    all of them were skipped."""
    if apart.ready or all_is_said(apart, resolved):
        return
    hint = Text(
        "No row of it can be used, so there is nothing to measure; with `--on_bad_row refuse` each"
        " is told with what mends it.",
        "其中没有一条可用的数据，也就没有可以用来评估的；"
        "改用 `--on_bad_row refuse` 会逐条说明怎么改。",
    )
    journal.look(FlagFacts("bad-value", flag, " ".join(named), hint=hint))


def _may_be_skipped(fault: Fault) -> bool:
    return bool(fault.origin.line) and not fault.ends


def _first_of_each(faults: Sequence[Fault]) -> Iterator[Fault]:
    """The faults, but of one that very many rows of a file share only the first; the last of these
    says how many more there are, and where. Every row is in the ledger by itself."""
    alike: dict[tuple[str, str, str, bool], list[Fault]] = defaultdict(list)
    for fault in faults:
        alike[_alike(fault)].append(fault)
    told = Counter[tuple[str, str, str, bool]]()
    for fault in faults:
        same = alike[key := _alike(fault)]
        told[key] += 1
        if told[key] == MOST_TOLD < len(same):
            rest, found = same[MOST_TOLD:], both(fault.found)
            found = Text(f"{found.en} (+ {len(rest):,})", f"{found.zh}（另有 {len(rest):,} 条）")
            yield replace(fault, found=found, also=tuple(map(place, rest)))
        elif told[key] <= MOST_TOLD:
            yield fault


def _alike(fault: Fault) -> tuple[str, str, str, bool]:
    """What faults of one kind about one field of one file share."""
    return fault.kind, fault.origin.file, re.sub(r"\[\d+\]", "", fault.field), fault.ends


def _cannot_skip(hint: Text | None) -> Text:
    hint = hint or Text("", "")
    return replace(
        hint,
        en=f"{hint.en} It cannot be skipped: where the next row begins is not known.".strip(),
        zh=f"{hint.zh}它不能跳过：无法确定下一条数据从哪里开始。",
    )
