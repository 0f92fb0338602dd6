"""Files that several words behind one flag name: their rows would be learned once more."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from suretune.data.refusal import printable
from suretune.data.sources import Source
from suretune.types import Fault


@dataclass(frozen=True, slots=True)
class Twice:
    """The words to leave out, the datasets that they name, and the flag without them."""

    words: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    instead: str = ""


def given_twice(sources: Sequence[Source | Fault]) -> Twice:
    """What is named again, by whatever path: a dataset all of whose files another one reads whole,
    or a further sample of the same files, which one sample of as many rows can stand for."""
    there = [source for source in sources if isinstance(source, Source) and source.files]
    files = [frozenset(map(Path.resolve, source.files)) for source in there]
    kept = {index: printable(source.spec) for index, source in enumerate(there)}
    counts = [source.count for source in there]
    out: list[int] = []
    for index, count in enumerate(counts):
        for other in (i for i in kept if i != index):
            same = files[index] == files[other]
            if counts[other] is None:
                covered = files[index] <= files[other]
                covered &= count is not None or not same or other < index
            else:
                covered = count is not None and same and other < index
            if covered:
                break
        else:
            continue
        if counts[other] is not None and count is not None:
            counts[other] = (counts[other] or 0) + count
            kept[other] = f"{printable(there[other].typed)}#{counts[other]}"
        del kept[index]
        out.append(index)
    if not out:
        return Twice()
    words = [*kept.values(), *(one.origin.file for one in sources if isinstance(one, Fault))]
    return Twice(
        words=tuple(printable(there[index].spec) for index in out),
        names=tuple(there[index].name for index in out),
        instead=" ".join((there[0].flag, *map(shlex.quote, words))),
    )
