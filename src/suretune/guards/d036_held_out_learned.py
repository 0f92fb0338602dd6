"""D036 held-out-learned: rows of `--val_dataset` are learned too.

What it looks at: every row that is given to measure with, and every row that is learned, in
whatever files, with case, blanks, width and punctuation folded away.

Why it matters: what was learned is known by heart. A held-out loss over such rows falls, whatever
else the model learned.

Fix: nothing has to be: they are learned, and left out of the measuring, and the ledger names each
pair. To measure with one, take every copy of it out of the training data. Where all of them are
learned the run is refused (C002).

D036 held-out-learned：`--val_dataset` 里有些数据也参与了训练。

检查内容：用来评估的每一行和参与训练的每一行，不论在哪个文件里；比较时忽略大小写、空白、全角半角和
标点。

影响：学过的内容已经记住了。用它们算出来的验证损失总会下降，与模型学到了什么无关。

怎么改：可以不改：它们照常训练，只是不参与评估，数据清单（`ledger.jsonl`）里逐对列出。想用某一行评
估，就从训练数据里去掉它的所有副本。全部重复时不会开始训练（C002）。
"""

from suretune.guards.guard import Guard, for_fault
from suretune.types import Fault, Text

GUARD = Guard(
    code="D036",
    name="held-out-learned",
    title=Text("held-out rows are learned too", "留出数据也在训练里"),
    stops=False,
    facts=Fault,
    check=for_fault("held-out-learned"),
    what=Text(
        "{found} rows of `--val_dataset {file}` are learned too.",
        "`--val_dataset {file}` 里有 {found} 行也参与了训练。",
    ),
    why=Text(
        "What was learned cannot show whether anything carries over, so they are not held out.",
        "学过的内容说明不了效果能否推广，所以这些行不算留出数据。",
    ),
    fix=Text(
        "{hint} `ledger.jsonl` names each pair; to measure with a row, take every copy of it out of"
        " `--dataset`.",
        "{hint}数据清单（`ledger.jsonl`）里逐对列出；想用某一行评估，"
        "就从 `--dataset` 里去掉它的所有副本。",
    ),
)
