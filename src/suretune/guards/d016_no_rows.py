"""D016 no-rows: a data file holds no row.

What it looks at: the number of records in each file.

Why it matters: among several files an empty one is easy to miss, and the mixture
is then another than was meant.

Fix: give the file that has the rows, or take this one out of `--dataset`.

D016 no-rows：数据文件里一条数据也没有。

检查内容：每个文件的记录条数。

影响：同时用几个文件时，空文件很容易被忽略，这部分内容就没有参与训练。

怎么改：换成有数据的文件，或者把它从 `--dataset` 里去掉。
"""

from suretune.guards.guard import Guard, for_fault
from suretune.types import Fault, Text

GUARD = Guard(
    code="D016",
    name="no-rows",
    title=Text("file without rows", "文件里没有数据"),
    stops=True,
    facts=Fault,
    check=for_fault("no-rows"),
    what=Text("{where} holds no row.", "{where} 里一条数据也没有。"),
    why=Text(
        "Nothing of what it was meant to teach would be learned.",
        "这个文件本来要教的内容，一点也学不到。",
    ),
    fix=Text(
        "{hint} Give `--dataset` the file that has the rows.",
        "{hint}请把有数据的文件给 `--dataset`。",
    ),
)
