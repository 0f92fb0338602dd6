"""Runs as dots, their mean as a bar with its interval, as SVG on light and on dark ground."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from statistics import fmean

WIDTH, ROW, LEFT, GAP, TOP, BOTTOM = 760, 34, 210, 40, 52, 26
RESAMPLED = 2000
# A picture in a page cannot see the page's colours; the reader's own preference it can.
STYLE = """\
<style>
text { font: 13px system-ui, sans-serif; fill: #1f2328; }
.title { font-weight: 600; }
.scale { fill: #59636e; font-size: 11px; }
.grid { stroke: #d1d9e0; }
.run { fill: #8c959f; fill-opacity: 0.55; }
.mean { stroke: #1a7f37; stroke-width: 3; }
.range { stroke: #1a7f37; stroke-width: 1.5; fill: none; }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3; }
.scale { fill: #9198a1; }
.grid { stroke: #3d444d; }
.run { fill: #9198a1; }
.mean, .range { stroke: #3fb950; }
}
</style>"""


@dataclass(frozen=True, slots=True)
class Panel:
    """One scale; `values` has the runs of each line of the picture, in its order."""

    title: str
    values: Sequence[Sequence[float]]
    low: float
    high: float


def bootstrap(values: Sequence[float]) -> tuple[float, float, float]:
    """(low, mean, high): the 95 % interval of the mean over runs; the same draws every time."""
    return _drawn(tuple(values))


@cache
def _drawn(values: tuple[float, ...]) -> tuple[float, float, float]:
    """What a page says stands in its picture as well: drawn once."""
    draw = random.Random(0)
    means = sorted(fmean(draw.choices(values, k=len(values))) for _ in range(RESAMPLED))
    return means[round(0.025 * RESAMPLED)], fmean(values), means[round(0.975 * RESAMPLED) - 1]


def dots(title: str, labels: Sequence[str], panels: Sequence[Panel]) -> str:
    """A line a label, a panel a measure."""
    height = TOP + ROW * len(labels) + BOTTOM
    wide = (WIDTH - LEFT - GAP * len(panels)) / len(panels)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}"'
        f' width="{WIDTH}" height="{height}" role="img" aria-label="{escape(title)}">',
        STYLE,
        f'<text class="title" x="8" y="20">{escape(title)}</text>',
    ]
    for row, label in enumerate(labels):
        y = TOP + ROW * (row + 0.5)
        parts.append(
            f'<text x="{LEFT - 12}" y="{y + 4:.0f}" text-anchor="end">{escape(label)}</text>'
        )
    for number, panel in enumerate(panels):
        parts += _panel(panel, LEFT + number * (wide + GAP), wide, height)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _panel(panel: Panel, left: float, wide: float, height: int) -> list[str]:
    def at(value: float) -> float:
        inside = min(panel.high, max(panel.low, value))
        return left + (inside - panel.low) / (panel.high - panel.low) * wide

    parts = [f'<text x="{left:.0f}" y="40">{escape(panel.title)}</text>']
    for part in range(5):
        value = panel.low + (panel.high - panel.low) * part / 4
        parts.append(f'<line class="grid" x1="{at(value):.1f}" x2="{at(value):.1f}" y1="{TOP}"'
                     f' y2="{height - BOTTOM}"/>')  # fmt: skip
        parts.append(f'<text class="scale" x="{at(value):.1f}" y="{height - 9}"'
                     f' text-anchor="middle">{value:g}</text>')  # fmt: skip
    for row, values in enumerate(panel.values):
        y = TOP + ROW * (row + 0.5)
        parts += [
            f'<circle class="run" cx="{at(value):.1f}" cy="{y + (index % 5 - 2) * 3:.1f}" r="3"/>'
            for index, value in enumerate(values)
        ]
        if not values:
            continue
        low, mean, high = (at(value) for value in bootstrap(values))
        parts.append(f'<path class="range" d="M{low:.1f} {y - 5:.1f}v10M{low:.1f} {y:.1f}'
                     f'H{high:.1f}M{high:.1f} {y - 5:.1f}v10"/>')  # fmt: skip
        parts.append(f'<line class="mean" x1="{mean:.1f}" x2="{mean:.1f}" y1="{y - 8:.1f}"'
                     f' y2="{y + 8:.1f}"/>')  # fmt: skip
    return parts
