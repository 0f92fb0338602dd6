"""S024 unusual-learning-rate: the learning rate is far from what adapters are trained with.

What it looks at: `--learning_rate` against the rate that suretune would choose for a model of
this width. It speaks beyond 30 times more, or 50 times less.

Why it matters: far above, the loss jumps and the model forgets how to speak; far below, the
adapters hardly move and the model answers as before. Rates for full fine-tuning, such as 1e-6,
are of the second kind.

How to mend it: leave `--learning_rate` out, or give the rate that the message names.

S024 unusual-learning-rate：学习率与训练适配器常用的值相差太远。

看什么：`--learning_rate` 与 suretune 为这个宽度的模型选择的学习率相比；大到 30 倍以上或小到 50
分之一以下时提示。

为什么重要：太大，损失会跳动，模型连话都说不好；太小，适配器几乎不动，模型的回答和原来一样。
全参数微调用的学习率（例如 1e-6）就属于后一种。

怎么改：去掉 `--learning_rate`，或者改成提示里给出的值。
"""

from suretune.guards.guard import Guard, Values
from suretune.types import PlanFacts, Text

ABOVE, BELOW = 30, 50


def check(facts: PlanFacts) -> Values | None:
    rate, usual = facts.learning_rate, facts.usual_rate
    if usual <= 0 or usual / BELOW <= rate <= usual * ABOVE:
        return None
    return {"where": "--learning_rate", "rate": rate, "usual": usual}


GUARD = Guard(
    code="S024",
    name="unusual-learning-rate",
    stops=False,
    facts=PlanFacts,
    check=check,
    what=Text(
        "The learning rate is {rate:g}; adapters on a model of this width take about {usual:g}.",
        "学习率是 {rate:g}；这个宽度的模型训练适配器一般用 {usual:g} 左右。",
    ),
    why=Text(
        "Far above, training diverges; far below, the model answers as before.",
        "太大训练会发散，太小模型的回答和原来一样。",
    ),
    fix=Text(
        "`--learning_rate {usual:g}`, or leave the flag out.",
        "改成 `--learning_rate {usual:g}`，或者去掉这个参数。",
    ),
)
