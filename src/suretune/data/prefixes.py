"""What rows begin alike with: prefixes that several rows of a pass share, chosen once per run.

What is computed at a token depends on the tokens before it alone, so what many rows have at their
head (a system prompt, the template's opening) need not be computed for each of them. Nothing that
a learned token is predicted from belongs to a prefix: the loss is the rows' own.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from itertools import pairwise
from typing import TypeAlias

import numpy as np

from suretune.types import Sample

Prefixes: TypeAlias = "tuple[array[int], ...]"  # longest first
SAMPLED = 1024  # rows that are looked at, evenly spaced; time grows with their square
SHORT = 8  # tokens; what is shorter is not worth a sequence of its own
MOST = 64  # prefixes, of which a pass has those that two of its rows share
TOKENS = 16384  # of a pass at most, as far as the choice is concerned: not by the memory there is
WIDTH = array("I").itemsize  # bytes of a token
WORTH = 0.05  # of a pass's tokens, that must be saved: all keys are gathered where some are shared


def choose_prefixes(
    samples: Sequence[Sample],
    together: int,
) -> Prefixes:
    """The prefixes by which a pass of `together` of these rows saves most tokens, longest first;
    none where all of them save too little.

    Of the samples and `together` alone: the same wherever and whenever a run goes on. Exact for
    groups of rows that are neighbours in order of their tokens, by dynamic programming.
    """
    if not samples:
        return ()
    some = samples[:: math.ceil(len(samples) / SAMPLED)]
    mean = sum(len(row.ids) for row in some) / len(some)
    drawn = min(
        together,
        len(some),
        int(TOKENS / mean),
    )
    if drawn < 2:
        return ()
    heads = sorted(row.ids[: head_of(row)].tobytes() for row in some)
    common = [_common(one, other) for one, other in pairwise(heads)]
    groups = _groups(
        common,
        _repeats(len(heads), drawn),
    )
    best = sorted(groups, reverse=True)[:MOST]
    saved = sum(group[0] for group in best)
    if saved < WORTH * mean * drawn:
        return ()
    found = {heads[start][: length * WIDTH] for _, start, length in best}
    made = [array("I", prefix) for prefix in sorted(found)]
    made.sort(key=len, reverse=True)
    return tuple(made)


def head_of(row: Sample) -> int:
    """Tokens of the row that a prefix may hold: before the one that its first learned token is
    predicted from, and never all of them."""
    first = min((span.start for span in row.spans), default=len(row.ids))
    return max(0, first - 1)


def begins_with(
    row: Sample,
    prefix: array[int],
) -> bool:
    """Whether the row may share this prefix."""
    length = len(prefix)
    if length > head_of(row):
        return False
    return row.ids[:length] == prefix


def _common(
    one: bytes,
    other: bytes,
) -> int:
    """How many tokens both begin with."""
    low = 0
    high = min(len(one), len(other)) // WIDTH
    while low < high:
        middle = (low + high + 1) // 2
        end = middle * WIDTH
        if one[:end] == other[:end]:
            low = middle
        else:
            high = middle - 1
    return low


def _repeats(
    rows: int,
    drawn: int,
) -> list[float]:
    """By the size of a group among `rows`: how often, in the mean, its prefix need not be computed
    where `drawn` of the rows meet. Once less than its rows are among them, unless none is."""
    ways = math.comb(rows, drawn)
    made = []
    for size in range(rows + 1):
        others = rows - size
        none = math.comb(others, drawn) / ways
        mean = drawn * size / rows
        made.append(mean - 1 + none)
    return made


def _groups(
    common: Sequence[int],
    repeats: Sequence[float],
) -> list[tuple[float, int, int]]:
    """(tokens saved, first row, tokens of the prefix) of each group of neighbours, so that together
    they save most; `common`: what each row begins alike with its next one with."""
    rows = len(repeats) - 1
    worth = np.array(repeats)[::-1]  # of a group that ends with the last row, by its first one
    shared = np.array(common)  # by its first row: what a group that ends here begins alike with
    best = np.zeros(rows + 1)  # saved by the first i rows
    cuts = [(0, 0), (0, 0)]  # where the last group of these begins, and its prefix's tokens
    for end in range(2, rows + 1):
        nearest = end - 1
        before = shared[:nearest]
        np.minimum(
            before,
            common[end - 2],
            out=before,
        )
        first = int(np.searchsorted(before, SHORT))  # sorted: the fewer rows, the more of them
        saved = worth[rows - end + first : rows - 1] * before[first:]
        saved += best[first:nearest]
        best[end] = best[nearest]
        cuts.append((nearest, 0))
        if len(saved) and saved.max() > best[end]:
            start = nearest - 1 - int(saved[::-1].argmax())
            best[end] = saved[start - first]
            cuts[end] = start, int(before[start])
    made = []
    end = len(common) + 1
    while end:
        start, length = cuts[end]
        if length:
            saved = float(best[end] - best[start])
            made.append((saved, start, length))
        end = start
    return made
