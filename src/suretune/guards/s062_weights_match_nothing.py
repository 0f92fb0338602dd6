"""S062 weights-match-nothing: a name behind `--freeze_parameters` or `--trainable_parameters` fits
no weight of the model.

What it looks at: each name, against the beginnings of the names in the model's files.

Why it matters: what was to be frozen would learn, or what was to learn would be frozen, and the run
would end well all the same.

Fix: write the beginning of a name as the message lists them, part by part: `model.layers.0`,
`model.layers.0.self_attn.q_proj`, `model.norm`, `lm_head`.

S062 weights-match-nothing：`--freeze_parameters` 或 `--trainable_parameters` 里有一个名字在模型中
找不到对应的权重。

检查内容：逐个名字与模型文件中权重名字的开头比对。

影响：本该冻结的会被训练，或本该训练的被冻结，而训练照样会顺利结束。

怎么改：按检查结果列出的样子，从开头逐级写名字：`model.layers.0`、
`model.layers.0.self_attn.q_proj`、`model.norm`、`lm_head`。
"""

from suretune.facts import SetupFacts
from suretune.guards.guard import Guard, for_setup
from suretune.types import Text

GUARD = Guard(
    code="S062",
    name="weights-match-nothing",
    title=Text("no weight of that name", "没有对应的权重"),
    stops=True,
    facts=SetupFacts,
    check=for_setup("weights-match-nothing"),
    what=Text(
        "No weight of the model has a name that begins as `{detail}` says. Near it: {found}.",
        "模型里没有名字以 `{detail}` 开头的权重。相近的有：{found}。",
    ),
    why=Text(
        "Other weights than those that were meant would learn.",
        "参与训练的就不是本来想训练的那些权重。",
    ),
    fix=Text(
        "Write the beginning of a name as it is listed here, part by part:"
        " `--freeze_parameters model.layers.0`.",
        "按上面列出的样子，从开头逐级写出名字，如 `--freeze_parameters model.layers.0`。",
    ),
)
