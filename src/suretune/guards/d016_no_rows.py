"""D016 no-rows: a data file holds no row.

What it looks at: the number of records in each file.

Why it matters: among several files an empty one is easy to miss, and the mixture
is then another than was meant.

How to mend it: give the file that has the rows, or take this one out of `--dataset`.

D016 no-rows：数据文件里一条数据也没有。

看什么：每个文件的记录条数。

为什么重要：同时用几个文件时，空文件很容易被忽略，实际的配比就和想要的不一样了。

怎么改：换成有数据的文件，或者把它从 `--dataset` 里去掉。
"""

from suretune.guards.guard import Guard, for_fault
from suretune.types import Fault, Text

GUARD = Guard(
    code="D016",
    name="no-rows",
    stops=True,
    facts=Fault,
    check=for_fault("no-rows"),
    what=Text("{where} holds no row.", "{where} 里一条数据也没有。"),
    why=Text(
        "Whatever it was meant to teach would be missing.", "本来想让模型学的内容就缺了这一块。"
    ),
    fix=Text(
        "{hint} Give `--dataset` the file that has the rows.",
        "{hint}请把有数据的文件给 `--dataset`。",
    ),
)
