"""C001 unknown-flag: the command has a flag that suretune does not know.

What it looks at: every flag of the command and every key of the configuration file.

Why it matters: a tool that skips what it does not know trains with a value that
nobody chose, and nobody notices.

How to mend it: write the flag that the message names; `suretune VERB --help` lists them all.

C001 unknown-flag：命令里有 suretune 不认识的参数。

看什么：命令里的每个参数，以及配置文件里的每个键。

为什么重要：不认识就跳过的工具，会悄悄用上一个没有人选过的值。

怎么改：改成提示里给出的参数；全部参数见 `suretune VERB --help`。
"""

from suretune.guards.guard import Guard, for_flag
from suretune.types import FlagFacts, Text

GUARD = Guard(
    code="C001",
    name="unknown-flag",
    stops=True,
    facts=FlagFacts,
    check=for_flag("unknown-flag"),
    what=Text("suretune has no flag `{flag}`.", "suretune 没有 `{flag}` 这个参数。"),
    why=Text(
        "Skipping it would train with a value that nobody chose.",
        "如果跳过它，训练就会用上一个没有人选过的值。",
    ),
    fix=Text(
        "{meant} `{help}` lists every flag.",
        "{meant}全部参数见 `{help}`。",
    ),
)
