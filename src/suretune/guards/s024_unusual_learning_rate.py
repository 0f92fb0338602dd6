"""S024 unusual-learning-rate: the learning rate is far from what the train type takes.

What it looks at: `--learning_rate` against the rate that suretune would choose for a model of
this width, this train type (full fine-tuning takes a quarter of adapters' rate) and a run of this
length. It speaks where the rate is 6 times less than that, or more than 6 times what a run of 40
updates or fewer would take: a longer one takes less.

Why it matters: Adam moves a weight by about the rate, so that a narrow model needs a higher one.
1e-4, right at hidden size 3,584, teaches a model of hidden size 256 nothing, and ten times its
usual rate costs it every skill (docs/recipes.md, *Learning rate*). Rates for full fine-tuning, such
as 1e-6, are too small for adapters on any model.

Fix: leave `--learning_rate` out, or give the rate that the message names.

S024 unusual-learning-rate：学习率与这种训练方式常用的值相差太远。

检查内容：`--learning_rate` 与 suretune 为这个宽度的模型、这样长度的训练选择的学习率相比；不到它的
六分之一，或超过更新不多于 40 次时所选学习率的六倍（更新越多，选得越小）时报告。

影响：Adam 每次更新移动的幅度大约就是学习率，所以窄的模型需要更大的学习率。1e-4 适合宽度 3,584 的
模型，却教不会宽度 256 的模型任何东西；而用到常用值的十倍，模型会丢掉全部通用能力
（docs/recipes.md 的“Learning rate”一节）。全参数微调用的学习率（例如 1e-6）对任何模型的适配器都太
小。

怎么改：去掉 `--learning_rate`，或者改成检查结果给出的值。
"""

import math

from suretune.facts import PlanFacts
from suretune.guards.guard import Guard, Values
from suretune.types import Text

FAR = 6  # twice is a matter of taste, ten times lost every skill, twenty times less taught nothing
LONG = 40  # updates from which the usual rate falls with the root of their number


def check(facts: PlanFacts) -> Values | None:
    rate, usual = facts.learning_rate, facts.usual_rate
    of_short = usual * math.sqrt(max(facts.updates, LONG) / LONG)
    if usual <= 0 or usual / FAR <= rate <= of_short * FAR:
        return None
    low = rate < usual
    ratio = usual / rate if low else rate / usual
    times = f"{float(f'{ratio:.2g}'):,g}"
    again = Text(f" The whole command: `{facts.command}`", f"完整的命令：`{facts.command}`")
    return {
        "where": "--learning_rate",
        "rate": rate,
        "usual": usual,
        "how_far": Text(
            f"{times} times {'less' if low else 'more'}", f"{'小' if low else '大'}了 {times} 倍"
        ),
        "comes": Text(
            "What learns would hardly move, and the model would answer as before.",
            "参与训练的权重几乎不动，训练完模型的回答还和原来一样。",
        )
        if low
        else Text(
            "The loss would jump, and the model would forget what it can do.",
            "损失会剧烈跳动，模型会忘掉原有的能力。",
        ),
        "again": again if facts.command else Text("", ""),
    }


GUARD = Guard(
    code="S024",
    name="unusual-learning-rate",
    title=Text("learning rate far from the usual", "学习率不合适"),
    stops=False,
    facts=PlanFacts,
    check=check,
    what=Text(
        "The learning rate is {rate:g}; trained so, a model of this width takes about {usual:g}. "
        "That is {how_far}.",
        "学习率是 {rate:g}；这个宽度的模型、这种训练方式一般用 {usual:g} 左右，{how_far}。",
    ),
    why=Text("{comes}", "{comes}"),
    fix=Text(
        "`--learning_rate {usual:g}`, or leave the flag out.{again}",
        "改成 `--learning_rate {usual:g}`，或者去掉这个参数。{again}",
    ),
)
