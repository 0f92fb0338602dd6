"""`push`: a run's adapter to a hub."""

from __future__ import annotations

from suretune.cli.parse import Command, Verb
from suretune.record.journal import Journal
from suretune.types import Text


def push(command: Command, journal: Journal) -> int:
    """The adapter of a run and its card to a hub: private unless asked."""
    from suretune.cli.hub import give

    return give(command, journal)


VERB = Verb(
    "push",
    Text(
        "give a run's adapter to a hub: suretune push RUN hf::me/name",
        "把一次运行的适配器上传：suretune push runs/first hf::me/name",
    ),
    positional="RUN hf::ID",
    several=True,
    own={
        "public": Text(
            "let everybody see it; private when not given", "公开；不写则只有自己能看到"
        ),
        "unverified": Text(
            "give it although its proof did not pass; the card says so",
            "没有通过验证也上传；说明页会写明",
        ),
    },
    do=push,
    place=150,
)
