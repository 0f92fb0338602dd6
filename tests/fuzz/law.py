"""What must hold of a file that was read, whatever it holds.

1. Nothing but a verdict: a plan, or findings that say why there is none.
2. Every row is in the ledger once: learned, held out, or told with its reason.
3. All text of a row that is used is in its samples again, or its field is told.
4. What is learned is what the row says: no word comes from elsewhere.
5. What is held out was not learned.

Row and sample are compared by code that shares nothing with `suretune.data.told` and `fields`.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

from chaos.fuzz import lost

# Keys whose values are no content: who speaks, of what kind, what counts, which call.
KEEPS_BOOKS = frozenset(("role", "from", "type", "id", "tool_call_id", "index"))
MARKS = re.compile("weight|loss|train|mask|learn|supervis|target", re.IGNORECASE)
BEHIND = 128  # the note of D042: what stands behind the last learned answer is left out
# Notes that a finding (P006) tells: which keys may be missing from the samples then.
KNOWINGLY = {1: (), 2: ("reasoning_content", "thinking", "content", "value", "text"), 4: ("name",),
             8: (), 16: ("content", "value", "text")}  # fmt: skip
MARKUP = re.compile(r"<\|?/?\w+\|?>|\[/?[A-Z_]+\]")  # what templates put around turns and calls
TEMPLATES = frozenset((
    "tool_call", "tool_calls", "name", "arguments", "function", "parameters", "type", "think",
    "assistant", "user", "system", "tool", "im_start", "im_end", "endoftext", "null", "true",
    "false",
))  # fmt: skip


@dataclass(slots=True)
class Read:
    """What a check has read, and where its rows went."""

    rows: dict[Any, Any] = field(default_factory=dict)  # origin -> value, as read
    found: list[Any] = field(default_factory=list)  # Collected


@contextmanager
def watched() -> Iterator[Read]:
    """Rows and what was collected of them, seen as they pass."""
    from suretune.data import collect as stage
    from suretune.preflight import check as whole
    from suretune.types import Row

    read = Read()
    read_rows, collect = stage.read_rows, whole.collect

    def seen_rows(*words: Any, **named: Any) -> Iterator[Any]:
        for item in read_rows(*words, **named):
            if isinstance(item, Row):
                read.rows[item.origin] = item.value
            yield item

    def seen(*words: Any, **named: Any) -> Any:
        found = collect(*words, **named)
        read.found.append(found)
        return found

    with patch.object(stage, "read_rows", seen_rows), patch.object(whole, "collect", seen):
        yield read


def judge(path: Path, options: Mapping[str, Any], *, named: bool = True) -> dict[str, Any]:
    """Check a file as the command line does; `wrong` has a sentence for every law broken.

    `named`: it is called what it is, so that its rows can be counted from outside.
    """
    from suretune.config import Resolved
    from suretune.data.rows import NOTES
    from suretune.preflight.check import check
    from suretune.record.journal import Journal, Stopped

    journal, checked = Journal(verb="check"), None
    asked = Resolved.default().with_values("flag", dataset=(str(path),), **options)
    with watched() as read:
        try:
            checked = check(asked, journal)
            told = list(journal.findings)
        except Stopped as stopped:
            told = [*journal.findings, *stopped.findings]
    if not read.found:
        return {
            "wrong": [] if told else ["stopped, and nothing said"],
            "rows": 0,
            "told": len(told),
        }
    found = read.found[0]
    ready = list(found.ready)
    places = [*(row.example.origin for row in ready), *(entry.origin for entry in found.entries)]
    faults = [fault for fault in found.faults if fault.kind not in NOTES]
    wrong = _rows(found, places, faults)
    if not ready and not faults and not told:
        wrong.append("nothing was learned and nothing said")
    if named and _measured(path):
        wrong += lost(path, {*(p.line for p in places), *(f.origin.line for f in faults)},
                      len(places), faults)  # fmt: skip
    if faults and not told:
        wrong.append("faults, and nothing told")
    if checked is not None:
        wrong += _apart(checked, {place for place in places})
    how = asked.config
    names = (*how.data.model_name, *how.data.model_author)
    tokenizer = checked.tokenizer if checked else _tokenizer(options)
    for row in ready:
        if row.example.origin in read.rows:
            wrong += _content(row, read.rows[row.example.origin], found, tokenizer, names)
    return {"wrong": wrong, "rows": len(places), "told": len(told),
            "learned": len(ready)}  # fmt: skip


def _tokenizer(options: Mapping[str, Any]) -> Any:
    from suretune.data.template import load_tokenizer
    from suretune.pocket import MODEL

    return load_tokenizer(MODEL, options.get("chat_template"))


# --- rows ---------------------------------------------------------------------------------------


def _rows(found: Any, places: Sequence[Any], faults: Sequence[Any]) -> list[str]:
    wrong = []
    if sum(found.read.values()) != len(places):
        wrong.append(f"{sum(found.read.values())} rows read, {len(places)} in the ledger")
    rows = [*(row.example.origin for row in found.ready),
            *(entry.origin for entry in found.entries if entry.state != "rejected")]  # fmt: skip
    if len(set(rows)) != len(rows):
        wrong.append("a row is in the ledger twice")
    reasons = {fault.origin for fault in faults}
    for entry in found.entries:
        if entry.state == "rejected" and not (entry.reason and entry.origin in reasons):
            wrong.append(f"{entry.origin} was rejected without a reason")
    return wrong


def _measured(path: Path) -> bool:
    """Whether `lost` can count the rows: it goes by the name, and knows no table of pandas'."""
    data = path.read_bytes()
    packed = {".gz": b"\x1f\x8b", ".zst": b"\x28\xb5\x2f\xfd", ".parquet": b"PAR1"}
    if not data.startswith(packed.get(path.suffix, b"")) or data.startswith(b"ARROW1"):
        return False
    if path.suffix == ".arrow" or not path.suffix:
        return False
    return b"PAR1" not in data[:4] and b'"0":' not in data  # a column's first cell


def _apart(checked: Any, places: set[Any]) -> list[str]:
    """The ledger of the plan, and that nothing held out was learned."""
    entries = Counter(entry.origin for entry in checked.entries if not entry.repeat)
    wrong = [f"{place} left the ledger" for place in places if place not in entries]
    learned = {_said(row) for row in checked.train}
    wrong += [f"{row.example.origin} is held out and learned" for row in checked.held_out
              if _said(row) in learned]  # fmt: skip
    planned = {index for update in checked.plan.updates for index in update.samples}
    if (
        checked.plan.updates
        and len(planned) != len(checked.samples)
        and checked.plan.per_epoch <= len(checked.plan.updates)
    ):
        wrong.append(f"{len(checked.samples)} samples, {len(planned)} of them planned")
    return wrong


def _said(row: Any) -> str:
    return "\n".join(f"{m.role} {' '.join(m.content.casefold().split())}"
                     for m in row.example.messages)  # fmt: skip


# --- what they say ------------------------------------------------------------------------------


def plain(text: str) -> str:
    """Text in which templates and tokenizers make no difference."""
    text = unicodedata.normalize("NFKC", text)
    return re.sub(r"[\s\u200b\ufeff]+", "", text)


def leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """(path of keys, text) of every text and number inside, JSON in text opened."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from leaves(item, (*path, str(key)))
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from leaves(item, path)
    elif isinstance(value, str):
        inner = _opened(value)
        if inner is None:
            yield path, value
        else:
            yield path, f"\1{value}"  # as it is, or what is in it
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield path, str(value)


def _opened(text: str) -> Any:
    if text.strip()[:1] not in ("{", "[", '"'):
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _content(row: Any, value: Any, found: Any, tokenizer: Any, names: Sequence[str]) -> list[str]:
    """What of a used row is neither in its samples nor told."""
    whole, learned, notes = "", "", 0
    for sample in row.samples:
        if sample.cut:
            return []  # the ledger has how much
        whole += tokenizer.decode(list(sample.ids), special=True) + "\n"
        for span in sample.spans:
            learned += tokenizer.decode(list(sample.ids[span.start : span.end]), special=True) + " "
        notes |= sample.rewritten
    if notes & BEHIND:
        whole += _behind(row.example.messages)
    there = plain(whole)
    fields = found.fields.get(row.example.dataset)
    told = {name.rpartition("].")[2] for name in fields.unused} if fields else set()
    told |= {key for note, keys in KNOWINGLY.items() if notes & note for key in keys}
    filled = row.example.origin in found.filled
    value = {"messages": value} if isinstance(value, list) else value
    wrong = []
    for path, text in leaves(value):
        if _no_content(path, told):
            continue
        if filled and ("{{" in text or "<" in text):
            continue
        if not _is_there(text, there, bool(row.example.rendered), told):
            wrong.append(
                f"{row.example.origin}: {'.'.join(path)} is not in the sample: {text[:60]!r}"
            )
    if row.example.shape == "text":  # its first token has nothing before it
        learned = whole
    for name in names:  # they may stand amid a word
        learned = learned.replace(name, " ")
    said = plain(json.dumps(value, ensure_ascii=False, default=str))
    said += plain("".join(text.lstrip("\1") for _, text in leaves(value)))
    said += _unquoted(value)
    for word in set(re.findall(r"\w+", MARKUP.sub(" ", learned))):
        if plain(word) not in said and word not in TEMPLATES:
            wrong.append(f"{row.example.origin}: learned, and nobody said it: {word[:60]!r}")
    return wrong


def _behind(messages: Sequence[Any]) -> str:
    """What is said behind the last answer that is learned."""
    last = max(i for i, m in enumerate(messages) if m.role == "assistant" and m.weight > 0)
    said = [(m.content, dict(m.extra)) for m in messages[last + 1 :]]
    return json.dumps(said, ensure_ascii=False, default=str) + "\n".join(text for text, _ in said)


def _unquoted(value: Any) -> str:
    """The texts inside of JSON in texts, however often it was quoted."""
    text = ""
    for _, one in leaves(value):
        for _ in range(3):
            inner = _opened(one.removeprefix("\1"))
            if inner is None:
                break
            text += plain(json.dumps(inner, ensure_ascii=False)) + _unquoted(inner)
            break
    return text


def _no_content(path: Sequence[str], told: set[str]) -> bool:
    return bool({*path} & (KEEPS_BOOKS | told)) or any(MARKS.search(key) for key in path)


def _is_there(text: str, there: str, words: bool, told: set[str]) -> bool:
    if text.startswith("\1"):
        text = text[1:]
        if plain(text) in there:
            return True
        inner = _opened(text)
        return all(_is_there(one, there, words, told) for path, one in leaves(inner)
                   if not _no_content(path, told))  # fmt: skip
    for form in (text, json.dumps(text, ensure_ascii=False)[1:-1], json.dumps(text)[1:-1]):
        if plain(form) in there:
            return True
    # Written as a conversation already: its marks are gone, its words are not.
    return words and all(plain(word) in there for word in re.findall(r"\w+", text)
                         if word not in TEMPLATES)  # fmt: skip
