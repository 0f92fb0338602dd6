"""D016 no-rows: a data file holds no row.

What it looks at: the number of records in each file.

Why it matters: among several files an empty one is easy to miss, and the mixture
is then another than was meant.

Fix: give the file that has the rows, or take this one out of the flag that named it.

D016 no-rows：数据文件里一条数据也没有。

检查内容：每个文件的记录条数。

影响：同时用几个文件时，空文件很容易被忽略，这部分内容就没有参与训练。

怎么改：换成有数据的文件，或者从写出它的参数里去掉它。
"""

from suretune.guards.guard import Guard, Values, for_fault
from suretune.types import Fault, Text

WHY = Text(
    "Nothing of what it was meant to teach would be learned.",
    "这个文件本来要教的内容，一点也学不到。",
)
MEASURED = Text("Nothing would be measured with it.", "就没有可以用来评估的数据。")


def check(fault: Fault) -> Values | None:
    values = for_fault("no-rows")(fault)
    why = WHY if fault.flag == "--dataset" else MEASURED
    return values and {**values, "flag": fault.flag, "why": why}


GUARD = Guard(
    code="D016",
    name="no-rows",
    title=Text("file without rows", "文件里没有数据"),
    stops=True,
    facts=Fault,
    check=check,
    what=Text("{where} holds no row.", "{where} 里一条数据也没有。"),
    why=Text("{why}", "{why}"),
    fix=Text(
        "{hint} Give `{flag}` the file that has the rows.",
        "{hint}请把有数据的文件给 `{flag}`。",
    ),
)
