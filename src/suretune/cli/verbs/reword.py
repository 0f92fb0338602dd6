"""`reword`: other wordings of the rows' questions."""

from __future__ import annotations

from suretune.cli.parse import Command, Verb
from suretune.record.journal import Journal
from suretune.types import Text


def reword(command: Command, journal: Journal) -> int:
    """Other wordings of the rows' questions, made by the base, into a file."""
    from suretune.cli.reword import write_wordings

    return write_wordings(command, journal)


VERB = Verb(
    "reword",
    Text(
        "let the base ask the rows' short questions in other words, into a file",
        "让原模型把数据里的短问题换种说法，写成文件",
    ),
    ("model", "data"),
    ("probes", "output_dir", "ignore"),
    says={
        "output_dir": Text(
            "the folder of the file; the current one when not given",
            "放这个文件的文件夹；不写则为当前文件夹",
        )
    },
    torch=True,
    do=reword,
    place=100,
)
