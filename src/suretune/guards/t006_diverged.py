"""T006 diverged: the losses left the ground, and going back did not help.

What it looks at: updates that are out of line (T005) three times in a row, after the run has gone
back to its last good state three times, with a half, an eighth and a 64th of the learning rate.

Why it matters: what would have come out is worse than the base.

Fix: the update was not applied, and the last checkpoint is good. Train with a hundredth of
the `--learning_rate`.

T006 diverged：训练发散，退回也没有用。

检查内容：已经三次退回最近的完好状态，学习率先后降到二分之一、八分之一和六十四分之一之后，仍然
连续三次更新突然升高（T005）。

影响：这样训练出来的结果比原模型还差。

怎么改：这次更新没有生效，上一个检查点是好的。把 `--learning_rate` 降到百分之一再训练。
"""

from suretune.facts import RecoveryFacts
from suretune.guards.guard import Guard, for_recovery
from suretune.types import Text

GUARD = Guard(
    code="T006",
    name="diverged",
    title=Text("training diverged", "训练发散"),
    stops=True,
    facts=RecoveryFacts,
    check=for_recovery("diverged"),
    what=Text(
        "Update {step} is the third in a row out of line (loss {loss}, gradient "
        "norm {grad_norm}), after going back {attempts} times.",
        "第 {step} 次更新是连续第三次突然升高（损失 {loss}，梯度范数 {grad_norm}），"
        "此前已退回 {attempts} 次。",
    ),
    why=Text(
        "What would have come out is worse than the base.",
        "这样训练出来的结果比原模型还差。",
    ),
    fix=Text(
        "Train with a hundredth of the `--learning_rate`.",
        "把 `--learning_rate` 降到百分之一再训练。",
    ),
)
