"""R010 held-out-turned-up: the held-out loss fell and rose again before training ended.

What it looks at: the loss on held-out rows at each evaluation, and that of the adapter that was
kept. It speaks when the kept one is more than 2 % above the best.

Why it matters: from the turning point on the model learned its rows by heart. The last adapter,
the one that is kept, is not the best one.

How to mend it: `--early_stopping_patience 2` keeps the best checkpoint and stops soon after it;
fewer `--num_train_epochs` do the same.

R010 held-out-turned-up：留出数据的损失先降后升，直到训练结束。

看什么：每次评估时留出数据的损失，和最后保留的适配器的损失；高出最低点 2% 以上时提示。

为什么重要：从转折点起，模型就是在背数据了。最后保留下来的适配器不是最好的那个。

怎么改：加 `--early_stopping_patience 2`，会保留最好的检查点并很快停下；减少 `--num_train_epochs`
也可以。
"""

from suretune.guards.guard import Guard, Values
from suretune.types import ProofFacts, Text

ROOM = 1.02  # evaluations differ a little from one to the next


def check(facts: ProofFacts) -> Values | None:
    after, best = facts.held_out_after, facts.held_out_best
    if not facts.best_step or after is None or best is None or not after > best * ROOM:
        return None
    return {"where": "held-out rows", "best": best, "after": after, "step": facts.best_step}


GUARD = Guard(
    code="R010",
    name="held-out-turned-up",
    stops=False,
    facts=ProofFacts,
    check=check,
    what=Text(
        "The held-out loss was {best:.4g} after {step} updates and is {after:.4g} now.",
        "留出数据的损失在第 {step} 次更新后是 {best:.4g}，现在是 {after:.4g}。",
    ),
    why=Text(
        "From there on the model learned its rows by heart.",
        "从那以后，模型就是在背数据了。",
    ),
    fix=Text(
        "`--early_stopping_patience 2`, or fewer `--num_train_epochs`.",
        "加 `--early_stopping_patience 2`，或者减少 `--num_train_epochs`。",
    ),
)
