"""`serve`: OpenAI's API over HTTP."""

from __future__ import annotations

from suretune.cli.meanings import OF_QUESTIONS, SPEAKING
from suretune.cli.parse import Command, Verb
from suretune.record.journal import Journal
from suretune.types import Text


def serve(command: Command, journal: Journal) -> int:
    """OpenAI's API over HTTP, once the seals' probes are answered as they were."""
    from suretune.cli.serve import listen

    return listen(command, journal)


VERB = Verb(
    "serve",
    Text(
        "answer over HTTP as OpenAI's API, after the proof (pip install 'suretune[serve]')",
        "通过验证后，以 OpenAI 的接口提供服务（pip install 'suretune[serve]'）",
    ),
    ("model", "serve"),
    ("adapters", "system", "temperature", "top_p", "max_new_tokens", "num_gpus"),
    positional="RUN...",
    several=True,
    says=OF_QUESTIONS,
    idle=SPEAKING,
    aliases=("deploy",),
    torch=True,
    do=serve,
    place=110,
)
