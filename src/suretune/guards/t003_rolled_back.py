"""T003 rolled-back: training went wrong, and went on from its last good state.

What it looks at: the loss and the norm of the gradient of every update, before it is applied. Not
finite, and no row to blame; or out of line three times in a row (T005 says what that is).

Why it matters: weights that have diverged do not come back. The last good state, at most some 16
updates old, was put back in process, and the learning rate is lower for the rest: a half of it the
first time, an eighth the second, a 64th the third.

Fix: nothing has to be done if the run ends well. Train with a lower `--learning_rate` next time:
this one was too much here.

T003 rolled-back：训练出了问题，已从最近的完好状态继续。

检查内容：每次更新的损失和梯度范数，在更新生效之前检查。出现 NaN 或 Inf、又与具体数据无关；或者连
续三次突然升高（见 T005）。

影响：发散的权重不会自己回来。程序在进程内恢复了最近的完好状态（最多早 16 次更新左右），之后的学习
率更低：第一次降到二分之一，第二次降到八分之一，第三次降到六十四分之一。

怎么改：运行最后正常就不用处理。下次请用更低的 `--learning_rate`：这里的学习率太高了。
"""

from suretune.facts import RecoveryFacts
from suretune.guards.guard import Guard, for_recovery
from suretune.types import Text

GUARD = Guard(
    code="T003",
    name="rolled-back",
    title=Text("went back to a good state", "已退回完好状态"),
    stops=False,
    facts=RecoveryFacts,
    check=for_recovery("rolled-back"),
    what=Text(
        "Update {step} (loss {loss}, gradient norm {grad_norm}) was refused; "
        "training went back to the state after {back_to} updates, attempt "
        "{attempts} of 3, with {rate_scale} of the learning rate.",
        "第 {step} 次更新（损失 {loss}，梯度范数 {grad_norm}）被拒绝；训练退回到 {back_to} 次更新"
        "之后的状态（第 {attempts} 次，最多 3 次），学习率乘以 {rate_scale}。",
    ),
    why=Text(
        "Weights that have diverged do not come back by themselves.",
        "发散的权重不会自己恢复。",
    ),
    fix=Text(
        "Give a lower `--learning_rate` next time.",
        "下次用更低的 `--learning_rate`。",
    ),
)
