"""How a command line was read, where nothing has to be done about it: one note, a thing a line."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text as Styled

from suretune import phrases as p
from suretune.facts import Finding
from suretune.phrases import words
from suretune.show.console import pairs, put, safe
from suretune.words import say

# Words read as meant, flags that are not needed, flags left out or mended.
NOTED = ("C017", "C005", "C015")


def of_the_command(found: Sequence[Finding]) -> tuple[list[Finding], list[Finding]]:
    """(what is said in one note, everything else)."""
    ours = [one for one in found if one.code in NOTED and not one.stops and one.parts]
    return ours, [one for one in found if one not in ours]


def note(
    ours: Sequence[Finding],
    to: Console,
    commands: Sequence[str] = (),
) -> None:
    """What became of what was typed, and the command that runs; nothing where there is nothing."""
    if not ours:
        return
    codes = dict.fromkeys(one.code for one in ours)
    head = Styled().append_text(safe("".join(f"· {code} " for code in codes), "bold yellow"))
    head.append(f" {p.fate('')}  ", "dim")
    head.append(words("how this command was read", "这条命令是这样理解的"))
    put(
        to,
        head,
        pairs(to, [("-", safe(say(part))) for one in ours for part in one.parts]),
    )
    for command in commands:
        put(to, Styled(words("  what runs:", "  实际运行的是："), "dim"))
        put(to, safe(f"  {command}", "bold"), wrap=False)
