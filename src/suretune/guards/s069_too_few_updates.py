"""S069 too-few-updates: a wide model learns who it is in fewer updates than it takes by itself.

What it looks at: the updates of the run against 80, where a model of hidden size 512 or more learns
an identity alone by adapters, beside anchors, until it is proven, and `--num_train_epochs` or
`--max_steps` was given. Where the rows are so few that 80 updates were more than twenty passes,
it is silent.

Why it matters: measured on a real model (SmolLM2-135M-Instruct). With 40 updates of 16 rows, at
rank 8 and alpha 32, 10 of 21 runs were sealed, the others lost too much of what the model could
do; with 80 updates of 8 rows at the same rank and alpha, published at the same 0.95, 39 of 40; by
default 38 of 40 (docs/recipes.md, *Fewer anchors, and the length as it is typed*).

Fix: leave out what the message names, the length and the rows of an update; both are then chosen.

S069 too-few-updates：宽的模型学习身份，更新次数比自动选择的少。

检查内容：宽度 512 以上的模型用适配器只学习身份（带锚定问答，训练到验证通过为止），又写了
`--num_train_epochs` 或 `--max_steps` 时，整个训练的更新次数是否少于 80。
数据太少、80 次更新要学二十遍以上时不报告。

影响：在一个 1.35 亿参数的真实模型上测过。秩为 8 时，40 次更新、每次 16 行，21 次训练有 10 次
验证通过，其余都丢失了过多原有的能力；同样的秩，80 次更新、每次 8 行，发布强度同为 0.95，40 次有
39 次通过；默认设置 40 次有 38 次通过（见 docs/recipes.md）。

怎么改：去掉检查结果列出的参数（训练长度和每次更新的行数），由 suretune 选择。
"""

from suretune.facts import PlanFacts
from suretune.guards.guard import Guard, Values
from suretune.types import Text


def check(facts: PlanFacts) -> Values | None:
    if facts.updates >= facts.settles:
        return None
    return {
        "where": facts.instead[0],
        "updates": facts.updates,
        "size": facts.rows_per_update,
        "settles": facts.settles,
        "out": Text(
            ", ".join(f"`{flag}`" for flag in facts.instead),
            "、".join(f"`{flag}`" for flag in facts.instead),
        ),
    }


GUARD = Guard(
    code="S069",
    name="too-few-updates",
    title=Text("too few updates to learn who it is", "更新次数太少"),
    stops=False,
    facts=PlanFacts,
    check=check,
    what=Text(
        "The run has {updates} updates of {size} rows; by itself a model of this width would have"
        " at least {settles} to learn who it is.",
        "这次训练有 {updates} 次更新，每次 {size} 行；这个宽度的模型学习身份，"
        "自动选择时至少 {settles} 次。",
    ),
    why=Text(
        "On a real model 10 of 21 runs with 40 updates of 16 rows were sealed, the others had lost"
        " too much; with 80 updates of 8 rows 39 of 40 were.",
        "真实模型上，40 次更新、每次 16 行的 21 次训练有 10 次验证通过，其余丢失过多；"
        "80 次更新、每次 8 行的 40 次训练有 39 次通过。",
    ),
    fix=Text(
        "Leave out {out}: suretune chooses then.",
        "去掉 {out}，由 suretune 选择。",
    ),
)
