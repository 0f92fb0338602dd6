"""The sizes that passes are padded to, so that each is captured once as a CUDA graph.

A graph needs fixed shapes. Few buckets cost padding, many cost captures; which ones, is decided
from the plan.
"""

from __future__ import annotations

from collections.abc import Sequence

from suretune.data.pass_layout import Size

STEP = 64  # tokens; buckets are multiples of it
CAPTURE = 1.2e12
"""Tokens times a layer's weights that could be computed while a pass through that layer is run and
captured: 0.26 s for the 28 layers of the 7B shape on an H200, which computes 5,300 tokens in it. A
capture takes narrow layers as long as wide ones."""


def up(number: int, step: int) -> int:
    """The next multiple of step."""
    return -(-number // step) * step


def choose_buckets(sizes: Sequence[Size], weights: int) -> list[Size]:
    """The buckets, smallest first, that together cost least: padded tokens and captures; `weights`
    of a layer.

    Exact, by dynamic programming over the sizes in order of their tokens.
    """
    if not sizes:
        return []
    capture = CAPTURE / weights
    counts: dict[int, int] = {}
    for size in sizes:
        tokens = up(size.tokens, STEP)
        counts[tokens] = counts.get(tokens, 0) + 1
    steps = sorted(counts)
    best: list[tuple[float, int]] = [(0.0, 0)]  # cost of the first i steps, where its last starts
    for end in range(1, len(steps) + 1):
        passes = 0
        choices = []
        for start in range(end - 1, -1, -1):
            passes += counts[steps[start]]
            choices.append((best[start][0] + capture + passes * steps[end - 1], start))
        best.append(min(choices))
    tops = []
    end = len(steps)
    while end:
        tops.append(steps[end - 1])
        end = best[end][1]
    return _filled(sizes, sorted(tops))


def _filled(sizes: Sequence[Size], tops: Sequence[int]) -> list[Size]:
    """Each bucket with room for whatever falls into it, its padding as rows of its own included."""
    made = []
    for top in tops:
        below = max((t for t in tops if t < top), default=0)
        inside = [s for s in sizes if below < up(s.tokens, STEP) <= top]
        longest = max(s.longest for s in inside)
        padding = up(top - min(s.tokens for s in inside), longest) // longest
        learned = up(max(s.learned for s in inside), 16)
        soft = up(max(s.soft for s in inside), 16)
        rows = max(s.rows for s in inside) + padding
        most = max(s.longest_keys for s in inside)
        keys = max(s.keys + top - s.tokens for s in inside) if most else 0
        made.append(
            Size(
                tokens=top,
                rows=rows,
                learned=learned,
                longest=longest,
                soft=soft,
                keys=keys,
                longest_keys=most,
            )
        )
    return made
