"""D038 passed-over: some of what a data set holds is not read.

What it looks at: everything in a folder that is given as a data set: archives, sheets, folders,
links to nothing, hidden files, and files whose names say that they hold another split (validation,
test); and rows that say so themselves (`split` of `test`).

Why it matters: rows that somebody took for learned are missing; rows that were set aside for
measuring must not be learned.

Fix: name each file that is meant: `--dataset f/a.jsonl f/b.jsonl --val_dataset f/test.jsonl`. A
file with rows of several splits is given to both: `--dataset f.jsonl --val_dataset f.jsonl`;
`--ignore_fields split` reads all of its rows.

D038 passed-over：数据集里有些内容没有读取。

检查内容：作为数据集给出的文件夹里的全部内容：压缩包、表格、子文件夹、失效的链接、隐藏文件，以及名
字表明属于其他划分（validation、test）的文件；还有自己写明属于其他划分的数据（`split` 为 `test`）。

影响：以为参与了训练的数据其实没有；专门留作评估的数据也不应该拿来训练。

怎么改：逐个写出要用的文件：`--dataset f/a.jsonl f/b.jsonl --val_dataset f/test.jsonl`。一个文件里
有几种划分时，两处都给它：`--dataset f.jsonl --val_dataset f.jsonl`；
`--ignore_fields split` 则读取全部数据。
"""

from suretune.guards.guard import EMPTY, Guard, Values, for_fault
from suretune.types import Fault, Text


def check(fault: Fault) -> Values | None:
    values = for_fault("passed-over")(fault)
    if values is None:
        return None
    if fault.field:  # of rows: none of them can be named by itself
        return {**values, "named": EMPTY}
    named = Text(
        f"What is meant can always be named by itself after `{fault.flag}`.",
        f"需要哪个，都可以在 `{fault.flag}` 后面单独写出来。",
    )
    return {**values, "named": named}


GUARD = Guard(
    code="D038",
    name="passed-over",
    title=Text("parts of the data not read", "有内容没有读取"),
    stops=False,
    facts=Fault,
    check=check,
    what=Text("Not read in {where}: {found}", "{where} 里没有读取的内容：{found}"),
    why=Text(
        "What they hold is not learned, neither is anything measured with it.",
        "这些内容既不参与训练，也不用来评估。",
    ),
    fix=Text(
        "{hint} {named}",
        "{hint}{named}",
    ),
)
