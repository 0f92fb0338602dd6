"""Curves and small figures as SVG: no script, no style attribute, colours by class alone.

Values that are None or not finite break the line and leave a cross: a gap must be seen.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from typing import TypeGuard

Point = tuple[float, float | None]

LEFT, RIGHT, TOP, BOTTOM = 50.0, 12.0, 10.0, 24.0
MOST = 320  # points drawn of one curve; each has a strip to hover over
ZOOM = 0.6  # the axis starts at 0 unless the smallest value is more than this share of the largest


@dataclass(frozen=True, slots=True)
class Series:
    """One curve; `name` is what hovering says before the value. `dots` marks every point."""

    name: str
    points: tuple[Point, ...]
    dots: bool = False


@dataclass(frozen=True, slots=True)
class Axis:
    """A scale from `low` to `high` on `start` to `end` of the picture, with ticks at `ticks`."""

    low: float
    high: float
    ticks: tuple[float, ...]
    step: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """Where a value stands on the page."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)


def chart(
    label: str,
    series: Sequence[Series],
    evaluated: Sequence[float],
    x_name: str,
    broken: str,
    size: tuple[int, int],
) -> str:
    """A line chart over steps; steps that were `evaluated` get a mark on its base line.

    `x_name` is the word for a step, `broken` for a value that is not finite.
    """
    width, height = size
    curves = [Series(s.name, tuple(_thin(s.points)), s.dots) for s in series]
    values = [y for s in curves for _, y in s.points if _finite(y)]
    steps = [x for s in curves for x, _ in s.points]
    if steps:
        steps += evaluated
    else:
        return ""
    x_axis = _steps_axis(steps, LEFT, width - RIGHT)
    y_axis = _value_axis(values, height - BOTTOM, TOP)
    parts = [
        f'<svg class="chart" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{escape(label)}">',
        _frame(x_axis, y_axis, x_name, width, height),
        *(f'<path class="at" d="M{x_axis.at(x):.1f} {y_axis.start:g}v-6"/>' for x in evaluated),
        *(_curve(s, x_axis, y_axis) for s in curves),
        _strips(curves, x_axis, y_axis, x_name, broken),
        "</svg>",
    ]
    return "".join(parts)


def _finite(value: float | None) -> TypeGuard[float]:
    return value is not None and math.isfinite(value)


def _thin(points: Sequence[Point]) -> list[Point]:
    """About MOST points at most: the lowest and highest of each stretch, and a gap it has."""
    if len(points) <= MOST:
        return list(points)
    stretch = math.ceil(len(points) / (MOST // 2))
    kept: set[int] = {0, len(points) - 1}
    for start in range(0, len(points), stretch):
        indices = range(start, min(start + stretch, len(points)))
        whole = [i for i in indices if _finite(points[i][1])]
        kept |= (
            {
                min(whole, key=lambda i: points[i][1] or 0.0),
                max(whole, key=lambda i: points[i][1] or 0.0),
            }
            if whole
            else set()
        )
        kept |= set([i for i in indices if not _finite(points[i][1])][:1])
    return [points[i] for i in sorted(kept)]


# --- axes ---------------------------------------------------------------------------------------


def _ticks(
    low: float,
    high: float,
    wanted: int,
    least: float = 0.0,
) -> tuple[list[float], float]:
    """Round numbers (1, 2 or 5 times a power of ten) that cover low to high."""
    raw = max((high - low) / wanted, least, 1e-300)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next((power * m for m in (1, 2, 5) if power * m >= raw * 0.999), power * 10)
    first, last = math.floor(low / step + 1e-6), math.ceil(high / step - 1e-6)
    return [i * step for i in range(first, last + 1)], step


def _value_axis(
    values: Sequence[float],
    start: float,
    end: float,
) -> Axis:
    low, high = min(values, default=0.0), max(values, default=1.0)
    if low == high:  # a constant lies in the middle, over a scale that begins at 0
        low, high = min(0.0, 2 * low), max(0.0, 2 * high) or (1.0 if low == 0 else 0.0)
    elif 0 <= low <= ZOOM * high:
        low = 0.0
    ticks, step = _ticks(low, high, 5)
    return Axis(ticks[0], ticks[-1], tuple(ticks), step, start, end)


def _steps_axis(
    steps: Sequence[float],
    start: float,
    end: float,
) -> Axis:
    low, high = min(steps), max(steps)
    if low == high:
        low, high = low - 1, high + 1
    ticks, step = _ticks(low, high, 5, least=1.0)
    inside = tuple(t for t in ticks if low <= t <= high)
    return Axis(low, high, inside, step, start, end)


def _number(value: float, step: float) -> str:
    if value == 0:
        return "0"
    if step < 1e-3 or abs(value) >= 1e5:
        mantissa, exponent = f"{value:.1e}".split("e")
        return f"{mantissa.removesuffix('.0')}e{int(exponent)}".replace("-", "−")
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    return f"{value:.{decimals}f}".replace("-", "−")


def _frame(
    x_axis: Axis,
    y_axis: Axis,
    x_name: str,
    width: int,
    height: int,
) -> str:
    """Grid lines, tick labels and the name of the x axis."""
    parts = []
    for tick in y_axis.ticks:
        y = y_axis.at(tick)
        kind = "base" if tick == y_axis.low else "grid"
        parts.append(
            f'<line class="{kind}" x1="{LEFT:g}" x2="{width - RIGHT:g}" y1="{y:.1f}" y2="{y:.1f}"/>'
        )
        parts.append(
            f'<text x="{LEFT - 6:g}" y="{y + 3.5:.1f}" text-anchor="end">'
            f"{_number(tick, y_axis.step)}</text>"
        )
    for tick in x_axis.ticks:
        x = x_axis.at(tick)
        parts.append(
            f'<line class="base" x1="{x:.1f}" x2="{x:.1f}" '
            f'y1="{y_axis.start:g}" y2="{y_axis.start + 4:g}"/>'
        )
        parts.append(
            f'<text x="{x:.1f}" y="{height - 7}" text-anchor="middle">'
            f"{_number(tick, x_axis.step)}</text>"
        )
    parts.append(
        f'<text x="{LEFT - 12:g}" y="{height - 7}" text-anchor="end">{escape(x_name)}</text>'
    )
    return "".join(parts)


# --- curves -------------------------------------------------------------------------------------


def _curve(series: Series, x_axis: Axis, y_axis: Axis) -> str:
    """The line, broken where a value is missing; dots on marked series and on lone points."""
    kind = "marked" if series.dots else "line"
    parts = []
    runs: list[list[tuple[float, float]]] = [[]]
    for x, y in series.points:
        if not _finite(y):
            at, top = x_axis.at(x), y_axis.end + 6
            parts.append(f'<path class="cross" d="M{at - 4:.1f} {top - 4:g}l8 8m0 -8l-8 8"/>')
            runs.append([])
        else:
            runs[-1].append((x_axis.at(x), y_axis.at(y)))
    for run in runs:
        if len(run) > 1:
            path = "L".join(f"{x:.1f} {y:.1f}" for x, y in run)
            parts.append(f'<path class="{kind}" d="M{path}"/>')
        if series.dots or len(run) == 1:
            parts += [f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="3.2"/>' for x, y in run]
    return "".join(parts)


def _strips(
    curves: Sequence[Series],
    x_axis: Axis,
    y_axis: Axis,
    x_name: str,
    broken: str,
) -> str:
    """An unseen strip over each step that says its values when pointed at."""
    said: dict[float, list[str]] = {}
    for series in curves:
        for x, y in series.points:
            value = f"{y:.5g}" if _finite(y) else broken
            said.setdefault(x, []).append(f"{series.name} {value}")
    order = sorted(said)
    between = ((x_axis.at(a) + x_axis.at(b)) / 2 for a, b in pairwise(order))
    edges = [x_axis.start, *between, x_axis.end]
    high = y_axis.start - y_axis.end
    return "".join(
        f'<rect class="strip" x="{left:.1f}" y="{y_axis.end:g}" width="{right - left:.1f}" '
        f'height="{high:g}"><title>{escape(f"{x_name} {x:g}: {chr(10).join(said[x])}")}</title>'
        "</rect>"
        for x, (left, right) in zip(order, pairwise(edges), strict=True)
    )


# --- small figures ------------------------------------------------------------------------------


def change(before: float, after: float) -> str:
    """A share before (ring) and after (dot) on a scale from 0 to 1, for a table's cell."""
    start, end = 4 + 92 * before, 4 + 92 * after
    kind = "down" if after < before else "up"
    return (
        '<svg class="small" viewBox="0 0 100 12" aria-hidden="true">'
        '<line class="grid" x1="4" x2="96" y1="6" y2="6"/>'
        f'<line class="{kind}" x1="{start:.1f}" x2="{end:.1f}" y1="6" y2="6"/>'
        f'<circle class="before" cx="{start:.1f}" cy="6" r="3"/>'
        f'<circle class="after {kind}" cx="{end:.1f}" cy="6" r="3"/></svg>'
    )


def interval(low: float, share: float, high: float) -> str:
    """A share and its interval on a scale from 0 to 1."""
    a, b, c = (4 + 92 * value for value in (low, share, high))
    return (
        '<svg class="small" viewBox="0 0 100 12" aria-hidden="true">'
        '<line class="grid" x1="4" x2="96" y1="6" y2="6"/>'
        f'<path class="range" d="M{a:.1f} 2v8M{a:.1f} 6H{c:.1f}M{c:.1f} 2v8"/>'
        f'<circle class="after" cx="{b:.1f}" cy="6" r="3"/></svg>'
    )
