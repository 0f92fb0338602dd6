"""What people see is what tests/screens holds: `python tests/draw_screens.py` writes it anew."""

from __future__ import annotations

import re

from rich.cells import cell_len

from draw_screens import SCREENS, drawn

# Never cut into lines: commands to paste, paths, files of rows.
WHOLE = re.compile(r"^\s*(suretune |python3 |export |FOLDER|/|cd |⟦|<\|)|⟦|\.jsonl")
BREAKS_BEFORE = "，。：；！？）、"


def test_every_screen_is_as_it_is_kept_and_none_is_left_over() -> None:
    now = dict(drawn())
    kept = {str(p.relative_to(SCREENS)): p.read_text("utf-8") for p in SCREENS.rglob("*.txt")}
    assert sorted(now) == sorted(kept)
    changed = [name for name, text in now.items() if kept[name] != text]
    assert not changed, f"look at them, then: python tests/draw_screens.py ({changed[:5]})"


def test_screens_fit_their_columns_and_break_where_they_may() -> None:
    for path in SCREENS.rglob("*.txt"):
        width = int(path.parent.name.rpartition("-")[2])
        for line in path.read_text("utf-8").splitlines():
            assert line.lstrip()[:1] not in tuple(BREAKS_BEFORE), (path, line)
            longest = max(map(cell_len, line.split()), default=0)  # a word that nothing can cut
            if not WHOLE.search(line) and longest < width - 24:
                assert cell_len(line) <= width, (path, line)
