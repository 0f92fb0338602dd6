"""The datasets that a pasted command names: where they are, and how many rows they have here."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from suretune.data.examples import to_example
from suretune.data.placeholders import Names, fill
from suretune.data.rows import NOTES, read_rows
from suretune.data.sources import Source, parse_source
from suretune.importing.pasted import Pasted
from suretune.types import Example, Fault, Row, Text


@dataclass(slots=True)
class Named:
    """All datasets of a command, by suretune's grammar."""

    specs: list[str] = field(default_factory=list)
    counts: list[int | None] = field(default_factory=list)  # that training takes of each
    there: list[int | None] = field(default_factory=list)  # rows in the files
    placeholders: set[str] = field(default_factory=set)  # NAME, AUTHOR
    repeat: bool = False  # a `#N` asks for more than there are
    lost: list[Text] = field(default_factory=list)  # what cannot be had
    notes: list[Text] = field(default_factory=list)

    @property
    def rows(self) -> int | None:
        """Rows of all of them together; None if one is not known."""
        known = [count for count in self.counts if count is not None]
        return sum(known) if known and len(known) == len(self.counts) else None


def named(pasted: Pasted, option: str = "dataset") -> Named:
    """Look at every dataset; files are read to the end, hubs are not asked."""
    found = Named()
    folder = Path(_value(pasted, "dataset_dir") or "data")
    for flag, values in pasted.flags:
        entry = pasted.tool.entry(flag)
        if entry is None or entry.to != option or entry.verdict == "unavailable":
            continue
        words = [word for word in values if word]
        if pasted.tool.name == "LLaMA-Factory":
            words = [
                _registered(name.strip(), folder, found)
                for word in words
                for name in word.split(",")
                if name.strip()
            ]
        for word in words:
            _look(word, found)
    return found


def _value(pasted: Pasted, flag: str) -> str:
    return next((" ".join(values) for name, values in pasted.flags if name == flag), "")


def _registered(name: str, folder: Path, found: Named) -> str:
    """A name in LLaMA-Factory's `dataset_info.json` as a path or a hub id."""
    registry = folder / "dataset_info.json"
    try:
        about: Any = json.loads(registry.read_text("utf-8"))[name]
        if isinstance(file := about.get("file_name"), str):
            return str(folder / file)
        for key, hub in (("hf_hub_url", "hf"), ("ms_hub_url", "ms")):
            if isinstance(about.get(key), str):
                return f"{hub}::{about[key]}"
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        pass  # said below: without the registry a name stands for nothing
    if is_here(name):
        return name
    found.lost.append(
        Text(
            f"`{name}` is a name in LLaMA-Factory's {registry}, which does not give it here:"
            " write the file's path in its place.",
            f"`{name}` 是 LLaMA-Factory 的 {registry} 里登记的名字，在这里查不到：请换成文件路径。",
        )
    )
    return name


def is_here(spec: str) -> bool:
    """Whether a file or folder of this name is here."""
    source = parse_source(spec)
    return isinstance(source, Source) and bool(source.files)


def _look(spec: str, found: Named) -> None:
    found.specs.append(spec)
    source = parse_source(spec)
    count: int | None = None
    there: int | None = None
    if isinstance(source, Fault):
        found.notes.append(
            Text(
                f"{spec} is not here, so its rows are unknown.",
                f"这里没有 {spec}，所以不知道有多少条数据。",
            )
        )
    elif source.hub:
        count = source.count
        if "self-cognition" in spec:
            found.placeholders |= {"NAME", "AUTHOR"}
    else:
        there = _rows(source, found)
        count = there if source.count is None else source.count
        found.repeat |= there is not None and count is not None and count > there
    found.counts.append(count)
    found.there.append(there)


def _rows(source: Source, found: Named) -> int:
    """Usable rows in the files, as `check` would count them."""
    usable = faulty = 0
    for row in read_rows(source):
        example = to_example(row, source.name) if isinstance(row, Row) else row
        if isinstance(example, Example):
            filled = fill(example, Names(("x",), ("x",)))
            example = filled if isinstance(filled, Fault) else filled[0]
            found.placeholders |= filled[1] if not isinstance(filled, Fault) else set()
        usable += isinstance(example, Example)
        faulty += isinstance(example, Fault) and example.kind not in NOTES
    if faulty:
        found.notes.append(
            Text(
                f"{source.spec}: {faulty} faults; `suretune check` names each.",
                f"{source.spec}：有 {faulty} 处问题，`suretune check` 会逐条列出。",
            )
        )
    return usable


def _both(first: Text, second: Text) -> Text:
    return Text(f"{first.en} {second.en}", f"{first.zh}{second.zh}")


def places(words: Sequence[str]) -> list[str]:
    """Values that somebody was meant to replace."""
    sign = re.compile(r"x{3,}|path/to|<[^|<>]+>|\byour[-_]|\.\.\.", re.IGNORECASE)
    return [word for word in words if sign.search(word)]
