"""`import-cmd`: a command of another tool, explained."""

from __future__ import annotations

from suretune.cli import paste
from suretune.cli.parse import Command, Verb
from suretune.record.journal import Journal
from suretune.types import Text


def import_cmd(command: Command, journal: Journal) -> int:
    """What a pasted command asks for, in suretune's words, and what it cannot have."""
    from suretune.cli.verbs import all_verbs

    return paste.import_cmd(command, journal, all_verbs())


VERB = Verb(
    "import-cmd",
    Text(
        "explain a command of another tool: suretune import-cmd 'swift sft ...'",
        "看懂其他工具的命令：suretune import-cmd 'swift sft ...'",
    ),
    positional="COMMAND",
    own={"file": Text("a file that holds the command", "写有命令的文件")},
    names_files=False,
    apart=paste.apart,
    do=import_cmd,
    place=170,
)
