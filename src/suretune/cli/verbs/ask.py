"""`ask`: questions of the command line or of a file, each by itself."""

from __future__ import annotations

from suretune.cli.job import look_at_questions
from suretune.cli.meanings import IN_ANSWERS, SPEAKING
from suretune.cli.parse import ANSWER, Command, Verb
from suretune.cli.which import to_speak
from suretune.model.lean import lean
from suretune.record.journal import Journal
from suretune.types import Text


def ask(command: Command, journal: Journal) -> int:
    """Every question, each in a conversation of its own."""
    look_at_questions(command, journal)
    command = to_speak(command, journal)
    with lean():
        from suretune.cli.chat import answer_file
    return answer_file(command, journal)


VERB = Verb(
    "ask",
    Text("answer questions, each in a fresh conversation", "逐个回答问题，每个都是新的对话"),
    ANSWER,
    ("system", "seed"),
    positional="[RUN] QUESTION...",
    several=True,
    says=IN_ANSWERS,
    idle=SPEAKING,
    torch=True,
    do=ask,
    place=80,
)
