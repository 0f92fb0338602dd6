"""Bars as SVG, readable on light and on dark ground."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, ROW, LEFT, RIGHT, TOP = 720, 30, 240, 90, 44
# A picture in a page cannot see the page's colours; the reader's own preference it can.
STYLE = """\
<style>
text { font: 14px system-ui, sans-serif; fill: #1f2328; }
.title { font-weight: 600; }
.ours { fill: #1a7f37; }
.theirs { fill: #8c959f; }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3; }
.ours { fill: #3fb950; }
.theirs { fill: #6e7681; }
}
</style>"""


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar; `ours` stands out."""

    label: str
    value: float
    ours: bool = False


def bars(title: str, drawn: Sequence[Bar]) -> str:
    """Lying bars on one scale from nought, each with its number."""
    height = TOP + ROW * len(drawn) + 8
    most = max(bar.value for bar in drawn) or 1.0
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}"'
        f' width="{WIDTH}" height="{height}" role="img" aria-label="{escape(title)}">',
        STYLE,
        f'<text class="title" x="8" y="24">{escape(title)}</text>',
    ]
    for number, bar in enumerate(drawn):
        y = TOP + number * ROW
        long = max(bar.value / most * (WIDTH - LEFT - RIGHT), 1.0)
        kind = "ours" if bar.ours else "theirs"
        places = 0 if bar.value >= 1000 else 1
        parts += [
            f'<text x="{LEFT - 10}" y="{y + 15}" text-anchor="end">{escape(bar.label)}</text>',
            f'<rect class="{kind}" x="{LEFT}" y="{y}" width="{long:.1f}" height="{ROW - 9}"/>',
            f'<text x="{LEFT + long + 8:.1f}" y="{y + 15}">{bar.value:,.{places}f}</text>',
        ]
    return "\n".join([*parts, "</svg>"]) + "\n"
