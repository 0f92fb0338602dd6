"""`setup`: what this machine has, can train and lacks."""

from __future__ import annotations

from suretune.cli.parse import Command, Verb
from suretune.record.journal import Journal
from suretune.types import Text


def setup(command: Command, journal: Journal) -> int:
    """What this machine has, can train and lacks."""
    from suretune.cli.setup import tell_about
    from suretune.prepare.seen import look

    return tell_about(look(), command.json)


VERB = Verb(
    "setup",
    Text(
        "what this machine has and can train, and the command for what is missing",
        "检查本机环境：能训练什么，缺什么，用什么命令补上",
    ),
    aliases=("doctor",),
    names_files=False,
    do=setup,
    place=180,
)
