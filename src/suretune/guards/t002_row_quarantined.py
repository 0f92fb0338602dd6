"""T002 row-quarantined: rows that the base cannot compute were left out.

What it looks at: the rows of an update whose loss or gradient is not finite. They are found by
halving the update, and computed once more by the base without its adapter.

Why it matters: a row that even the untouched base turns into NaN would ruin every weight, at any
learning rate. The rest of the update was computed as if the row had never been there.

Fix: nothing has to be done for this run, the rows were left out as `--quarantine` allows. Look at
the rows that are named, correct them, and train again.

T002 row-quarantined：原模型算不出的数据已跳过。

检查内容：损失或梯度出现 NaN 或 Inf 的那次更新里的数据。程序用二分法找到它们，再用不带适配器的原模
型各算一遍。

影响：连原样的原模型都算成 NaN 的数据，不论学习率多小，都会毁掉全部权重。这次更新的其余部分照常计
算，就像从来没有这行数据。

怎么改：这次运行不用处理，数据已按 `--quarantine` 允许的行数跳过。请查看列出的数据，改正后再训练。
"""

from suretune.facts import RecoveryFacts
from suretune.guards.guard import Guard, for_recovery
from suretune.types import Text

GUARD = Guard(
    code="T002",
    name="row-quarantined",
    title=Text("rows left out that give NaN or Inf", "算不出的数据已跳过"),
    stops=False,
    facts=RecoveryFacts,
    check=for_recovery("row-quarantined"),
    what=Text(
        "At update {step} the base could not compute {rows}; left out from there on.",
        "第 {step} 次更新时，原模型算不出 {rows}；从这次更新起跳过。",
    ),
    why=Text(
        "Such a row turns every weight into NaN, at any learning rate.",
        "这样的数据不论学习率多小，都会把权重变成 NaN。",
    ),
    fix=Text(
        "Look at these rows and correct them; `--quarantine` let them be left out.",
        "请查看并改正这些数据；它们是按 `--quarantine` 的许可跳过的。",
    ),
)
