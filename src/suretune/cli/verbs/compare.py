"""`compare`: the same questions to the base and to several runs."""

from __future__ import annotations

from suretune.cli.meanings import OF_QUESTIONS, SPEAKING
from suretune.cli.parse import Command, Verb
from suretune.record.journal import Journal
from suretune.types import Text


def compare(command: Command, journal: Journal) -> int:
    """Every question to the base and to each run, in the order in which they were named."""
    from suretune.cli.compare import side_by_side

    return side_by_side(command, journal)


VERB = Verb(
    "compare",
    Text(
        "the same questions, answered by the base and by several runs, side by side",
        "同样的问题，由原模型和多个运行分别回答，并排比较",
    ),
    ("model",),
    ("questions", "max_new_tokens", "system", "ignore"),
    positional="RUN...",
    several=True,
    says=OF_QUESTIONS,
    idle=SPEAKING,
    own={
        "question": Text(
            "a question to ask, and may be given again; the runs' probes and a few general"
            " questions when none is given",
            "要问的问题，可以多次给出；不写则用各运行的验证问题和几个通用问题",
        ),
        "html": Text("write the comparison as a page, too", "同时把比较结果写成网页文件"),
    },
    torch=True,
    do=compare,
    place=90,
)
