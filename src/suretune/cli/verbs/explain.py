"""`explain`: a guard's page, or what a message of another tool comes from."""

from __future__ import annotations

from suretune.cli.parse import Command, Verb
from suretune.record.journal import Journal
from suretune.types import Text


def explain(command: Command, journal: Journal) -> int:
    """A guard's page, or what a message of another tool comes from."""
    from suretune.cli.explain import look_up

    return look_up(" ".join(command.words), command.json)


VERB = Verb(
    "explain",
    Text(
        "what a finding, an error message or a word means: suretune explain D003",
        "解释编号、粘贴来的报错，或按词查找：suretune explain 过拟合",
    ),
    positional="WORDS...",
    several=True,
    names_files=False,
    do=explain,
    place=160,
)
