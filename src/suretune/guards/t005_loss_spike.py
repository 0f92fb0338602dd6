"""T005 loss-spike: one update was far out of line with those before it.

What it looks at: the logarithms of the loss and of the gradient's norm. Out of line is above 1.75
times the largest loss so far (4 times the largest norm), or more than 8 robust deviations above the
median of the last 16 updates. Before there were 16, a norm alone is counted and not told.
`suretune/train/spikes.py` derives these numbers.

Why it matters: once is a row unlike the others, or a rate that is near its limit. The update was
applied, its gradient clipped. Three in a row are a divergence, and T003 goes back.

Fix: look at the rows that are named. With many such updates, lower `--learning_rate`.

T005 loss-spike：有一次更新的损失或梯度突然升高。

检查内容：损失和梯度范数的对数。突然升高是指：超过此前最大损失的 1.75 倍（范数为 4 倍），或者比最近
16 次更新的中位数高出 8 个稳健标准差以上。不满 16 次更新时，只有范数升高的只计数，不提示。推导见
`suretune/train/spikes.py`。

影响：只有一次，说明有数据与众不同，或学习率已接近上限。这次更新已生效，梯度经过裁剪。连续三次就是
发散，由 T003 退回。

怎么改：查看列出的数据。这样的更新很多时，降低 `--learning_rate`。
"""

from suretune.facts import RecoveryFacts
from suretune.guards.guard import Guard, for_recovery
from suretune.types import Text

GUARD = Guard(
    code="T005",
    name="loss-spike",
    title=Text("sudden rise of the loss", "损失突然升高"),
    stops=False,
    facts=RecoveryFacts,
    check=for_recovery("loss-spike"),
    what=Text(
        "Update {step} rose out of line: loss {loss}, gradient norm {grad_norm}; its rows: {rows}.",
        "第 {step} 次更新突然升高：损失 {loss}，梯度范数 {grad_norm}；涉及的数据：{rows}。",
    ),
    why=Text(
        "Rows unlike the others, or a learning rate near its limit.",
        "有数据与众不同，或学习率接近上限。",
    ),
    fix=Text(
        "Look at these rows; with many such updates, lower `--learning_rate`.",
        "查看这些数据；次数多时降低 `--learning_rate`。",
    ),
)
