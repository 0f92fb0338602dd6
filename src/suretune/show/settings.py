"""What was chosen and why, and what was given: each of a few, of many only their number."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text as Styled

from suretune import labels
from suretune.config import Resolved
from suretune.phrases import printable, words
from suretune.show.console import pairs, put, results, safe

LOOKS = ("dry_run", "preview")  # of which nobody has to be told again
SIDE = 8  # columns of the labels beside choices and plan, which stand in one block
FEW = 4  # options that were given and are listed one by one


def choices(resolved: Resolved, to: Console | None = None) -> None:
    """Every setting that is not a default, in one block; `--json` has them all."""
    to = to or results()
    settings = [one for one in resolved.items() if one[2] != "default"]
    chosen = [_setting(*one) for one in settings if not resolved.given(one[0])]
    given = [
        _setting(name, value, "")
        for name, value, _ in settings
        if resolved.given(name) and name not in LOOKS
    ]
    if len(given) > FEW:
        many = f"{len(given)} options (`--json` lists them)"
        given = [Styled(words(many, f"{len(given)} 个参数（`--json` 会逐个列出）"))]
    join = Styled(words("; ", "；"))
    told = ((words("chosen", "自动选择"), chosen), (words("given", "已给出"), given))
    if rows := [(label, join.join(some)) for label, some in told if some]:
        put(to, pairs(to, rows, 0, SIDE))


def _setting(name: str, value: object, origin: str) -> Styled:
    """An option, its value and why it was chosen."""
    said = Styled(name, "cyan").append(" ")
    said.append_text(safe(printable(labels.setting(value)), "bold"))
    why = labels.origin(origin.removeprefix("auto: ")) if origin else ""
    if why:
        said.append_text(safe(words(f" ({why})", f"（{why}）"), "dim"))
    return said
