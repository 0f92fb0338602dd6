"""S069 too-few-updates: a wide model would learn who it is in fewer updates than that takes.

What it looks at: the updates of the run against 80, where a model of hidden size 512 or more learns
an identity alone by adapters, beside anchors, until it is proven, and `--num_train_epochs` or
`--max_steps` was given.

Why it matters: what the new name displaces or leaks into is taken back by the anchors, and that
takes longer than to learn the name. On a real model (SmolLM2-135M-Instruct) 10 of 21 runs were
sealed that had 40 updates of 16 rows at rank 8 and alpha 32; of the same identities and seeds 20
by default, with 80 updates of 8 rows (docs/recipes.md, *Fewer anchors, and the length as it is
typed*).

Fix: leave `--num_train_epochs` or `--max_steps` out; the length is then chosen from the rows.

S069 too-few-updates：宽的模型学习身份，更新次数不够。

检查内容：宽度 512 以上的模型用适配器只学习身份（带锚定问答，训练到验证通过为止），又写了
`--num_train_epochs` 或 `--max_steps` 时，整个训练的更新次数是否少于 80。

影响：新名字会挤掉一些原有的回答，也会泄漏到别的问题里，要靠锚定问答收回，这比学会名字本身花的时间
更长。在一个 1.35 亿参数的真实模型上，40 次更新、每次 16 行、秩为 8 的 21 次训练有 10 次验证通过；
同样的身份和种子用默认设置（80 次更新、每次 8 行）通过 20 次（见 docs/recipes.md）。

怎么改：去掉 `--num_train_epochs` 或 `--max_steps`，由 suretune 按数据选择训练长度。
"""

from suretune.facts import PlanFacts
from suretune.guards.guard import Guard, Values
from suretune.types import Text


def check(facts: PlanFacts) -> Values | None:
    if facts.updates >= facts.settles:
        return None
    flag = "--max_steps" if facts.by_steps else "--num_train_epochs"
    return {"where": flag, "updates": facts.updates, "settles": facts.settles, "flag": flag}


GUARD = Guard(
    code="S069",
    name="too-few-updates",
    title=Text("too few updates to learn who it is", "更新次数太少"),
    stops=False,
    facts=PlanFacts,
    check=check,
    what=Text(
        "The run has {updates} updates; to learn who it is takes a model of this width {settles}.",
        "这次训练有 {updates} 次更新；这个宽度的模型学习身份需要 {settles} 次。",
    ),
    why=Text(
        "What the new name displaces is taken back only by then: of 21 runs of a real model with"
        " 40 updates 10 were sealed, by default 20.",
        "新名字挤掉的回答要到那时才能收回：真实模型上，40 次更新的 21 次训练有 10 次验证通过，"
        "默认设置通过 20 次。",
    ),
    fix=Text(
        "leave `{flag}` out: the length is then chosen.",
        "去掉 `{flag}`，由 suretune 选择训练长度。",
    ),
)
