"""D046 asked-not-learned: rows of `--dataset` are only asked, because `--general` asks the same.

What it looks at: what every row of `--dataset` asks, and what the rows of `--general` ask, with
case, blanks, width and punctuation folded away.

Why it matters: what the proof asks to see whether anything was lost must not be learned, so these
rows are taken out of training. A run that was meant to learn them learns something else.

Fix: nothing has to be: they are asked, not learned, and the ledger names each pair. To learn them,
give `--general` other rows. Where a data set loses all of its rows the run is refused (C002).

D046 asked-not-learned：`--general` 问到了 `--dataset` 里的数据，这些数据不参与训练。

检查内容：`--dataset` 的每一行和 `--general` 的每一行问的是什么；比较时忽略大小写、空白、全角半角和
标点。

影响：验证用它们来看原有能力有没有丢失，所以不能学，会从训练数据里去掉。本想学这些数据的话，学到的
就不是想要的内容。

怎么改：可以不改：这些数据只用于提问，数据清单（`ledger.jsonl`）里逐对列出。想学它们，就给
`--general` 换成别的数据。某个数据集的数据全被问到时不会开始训练（C002）。
"""

from suretune.guards.guard import Guard, for_fault
from suretune.types import Fault, Text

GUARD = Guard(
    code="D046",
    name="asked-not-learned",
    title=Text("rows are asked, not learned", "有些数据只问不学"),
    stops=False,
    facts=Fault,
    check=for_fault("asked-not-learned"),
    what=Text(
        "{found} rows of `--dataset` ask what `--general {file}` asks: they are not learned.",
        "`--dataset` 里有 {found} 行的问题也在 `--general {file}` 里，这些行不参与训练。",
    ),
    why=Text(
        "What was learned cannot show whether the model kept what it knew.",
        "学过的内容说明不了原有能力有没有保住。",
    ),
    fix=Text(
        "{hint} `ledger.jsonl` names each pair; to learn them, give `--general` other rows.",
        "{hint}数据清单（`ledger.jsonl`）里逐对列出；想学这些行，就给 `--general` 换成别的数据。",
    ),
)
