"""`init`: starter rows and probes."""

from __future__ import annotations

from suretune.cli.makers import ASK
from suretune.cli.parse import Command, Verb
from suretune.record.journal import Journal
from suretune.types import Text


def init(command: Command, journal: Journal) -> int:
    """Write starter files."""
    from suretune.cli.init import write_identity

    return write_identity(command, journal)


VERB = Verb(
    "init",
    Text(
        "write rows and probes: suretune init identity --name N --author A",
        "生成数据和验证问题：suretune init identity --name 名字 --author 作者",
    ),
    extra=("output_dir", "model"),
    positional="WHAT",
    says={
        "output_dir": Text(
            "the folder of both files; the current one when not given",
            "放这两个文件的文件夹；不写则为当前文件夹",
        )
    },
    own={
        "name": Text("its new name, one or one a language", "新名字：一个，或每种语言一个"),
        "author": Text("who made it, one or one a language", "作者：一个，或每种语言一个"),
        "lang": Text(
            "languages of the rows: zh, en or zh,en; one alone is that of messages, too",
            "数据的语言：`zh`、`en` 或 `zh,en`；只写一种时，提示信息也用它",
        ),
        "ask": ASK,
    },
    do=init,
    place=20,
)
