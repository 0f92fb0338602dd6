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
    own={
        "name": Text("its new name, one or one a language", "新名字：一个，或每种语言一个"),
        "author": Text("who made it, one or one a language", "作者：一个，或每种语言一个"),
        "lang": Text("languages of the rows: zh,en", "数据的语言：`zh,en`"),
        "ask": ASK,
    },
    do=init,
    place=20,
)
