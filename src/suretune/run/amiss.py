"""What is wrong with rows and files, told: each once, of very many the first and how many more;
and what an exception says, wherever it was met."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from suretune.config import Resolved
from suretune.data.collect import Collected
from suretune.data.template import TemplateRefused
from suretune.data.wall import Unfit
from suretune.refusal import Refusal
from suretune.run.journal import Journal
from suretune.run.meant import begun_by_another, way_back
from suretune.rundir import Damaged, OtherKind
from suretune.types import Facts, Fault, Origin, SetupFacts, Text

MOST_TOLD = 100  # findings of one kind about one field of one file


def facts_of(error: Exception) -> Facts | None:
    """What has a finding of its own wherever it happens: a file of a run, a template; else None."""
    if isinstance(error, Refusal):
        return error.facts
    if isinstance(error, OtherKind):
        return begun_by_another(error.path)
    if isinstance(error, Damaged):
        return SetupFacts("checkpoint-damaged", str(error.path), error.why, way_back(error.path))
    if isinstance(error, Unfit):
        return error.fault
    if isinstance(error, TemplateRefused):
        return Fault("template-refused", Origin("--questions", 0), found=str(error))
    return None


def tell_faults(found: Collected, resolved: Resolved, journal: Journal) -> None:
    """A faulty row may be skipped if asked; a faulty file never, nor what hides other rows."""
    skip = resolved.config.data.on_bad_row == "skip"
    for fault in _first_of_each(found.faults):
        if skip and fault.ends and fault.origin.line:
            fault = replace(fault, hint=_cannot_skip(fault.hint))
        skipped = bool(skip and fault.origin.line and not fault.ends)
        journal.look(fault, stops=not skipped, fate="skipped" if skipped else "")


def _first_of_each(faults: Sequence[Fault]) -> Iterator[Fault]:
    """The faults, but of one that very many rows of a file share only the first; the last of these
    says how many more there are. Every row is in the ledger by itself."""
    places = [(f.kind, f.origin.file, re.sub(r"\[\d+\]", "", f.field), f.ends) for f in faults]
    rows, told = Counter(places), Counter[tuple[str, str, str, bool]]()
    for fault, place in zip(faults, places, strict=True):
        told[place] += 1
        if told[place] < MOST_TOLD or rows[place] == told[place] == MOST_TOLD:
            yield fault
        elif told[place] == MOST_TOLD:
            more = rows[place] - MOST_TOLD
            found = fault.found if isinstance(fault.found, Text) else Text(fault.found, fault.found)
            found = Text(f"{found.en} (+ {more:,})", f"{found.zh}（另有 {more:,} 条）")
            yield replace(fault, found=found)


def _cannot_skip(hint: Text | None) -> Text:
    en, zh = (hint.en, hint.zh) if hint else ("", "")
    return Text(
        f"{en} It cannot be skipped: where the next row begins is not known.".strip(),
        f"{zh}它不能跳过：无法确定下一条数据从哪里开始。",
    )
