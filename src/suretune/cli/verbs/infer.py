"""`infer`: a conversation with a model."""

from __future__ import annotations

from suretune.cli.job import look_at_questions
from suretune.cli.meanings import IN_ANSWERS, SPEAKING
from suretune.cli.parse import ANSWER, Command, Verb
from suretune.cli.which import to_speak
from suretune.model.lean import lean
from suretune.record.journal import Journal
from suretune.types import Text


def infer(command: Command, journal: Journal) -> int:
    """An interactive conversation; or one answer to each question of the command, or to each line
    where stdin is no terminal."""
    look_at_questions(command, journal)
    command = to_speak(command, journal)
    with lean():
        from suretune.cli.chat import converse
    return converse(command, journal)


VERB = Verb(
    "infer",
    Text("talk to a model", "与模型对话"),
    ANSWER,
    ("system", "seed"),
    aliases=("chat",),
    positional="[RUN] QUESTION...",
    several=True,
    says=IN_ANSWERS,
    idle=SPEAKING,
    torch=True,
    do=infer,
    place=70,
)
