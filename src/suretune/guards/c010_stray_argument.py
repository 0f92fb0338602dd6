"""C010 stray-argument: the command has a word that belongs to no flag.

What it looks at: arguments that stand alone, most often a comment after the
backslash at the end of a line.

Why it matters: the shell ends the command at such a backslash. The comment arrives as an
argument, and every flag on the lines below is lost.

How to mend it: put comments above the command, and nothing, not even a space, after a backslash;
or keep the flags in a file that allows comments: `--config run.yaml`.

C010 stray-argument：命令里有一个不属于任何参数的词。

看什么：单独出现的词，最常见的是行尾反斜杠后面的注释。

为什么重要：反斜杠后面只要还有字符，shell 就在那里结束命令：
注释被当成参数传进来，下面各行的参数全部丢失。

怎么改：注释写在命令上方，反斜杠后面什么都不留，空格也不行；
也可以把参数写进允许注释的文件：`--config run.yaml`。
"""

from suretune.guards.guard import Guard, for_flag
from suretune.types import FlagFacts, Text

GUARD = Guard(
    code="C010",
    name="stray-argument",
    stops=True,
    facts=FlagFacts,
    check=for_flag("stray-argument"),
    what=Text("The word `{value}` belongs to no flag.", "`{value}` 不属于任何参数。"),
    why=Text(
        "If it follows a backslash, the shell ended the command there "
        "and lost every flag below it.",
        "如果它跟在反斜杠后面，shell 就已经在那里结束了命令，下面的参数都丢了。",
    ),
    fix=Text(
        "{hint} Leave nothing after a backslash, or keep flags and comments "
        "in a file: `--config run.yaml`.",
        "{hint}反斜杠后面什么都不要留；或者把参数和注释写进文件：`--config run.yaml`。",
    ),
)
