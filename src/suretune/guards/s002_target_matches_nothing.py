"""S002 target-matches-nothing: a name in `--target_modules` fits no layer of the model.

What it looks at: each name, against the linear layers that the model has.

Why it matters: the other names would be trained and this one left out, or
nothing would be trained at all.

Fix: use a name that the message lists, or `--target_modules all-linear`, which takes every linear
layer but the output head.

S002 target-matches-nothing：`--target_modules` 里有一个名字在模型中找不到对应的层。

检查内容：逐个名字与模型的线性层比对。

影响：要么只训练了其余的层，要么什么都没有训练。

怎么改：改成检查结果列出的名字，或者用 `--target_modules all-linear`，它包含输出头以外的全部线性
层。
"""

from suretune.facts import SetupFacts
from suretune.guards.guard import Guard, for_setup
from suretune.types import Text

GUARD = Guard(
    code="S002",
    name="target-matches-nothing",
    title=Text("no layer of that name", "没有对应的层"),
    stops=True,
    facts=SetupFacts,
    check=for_setup("target-matches-nothing", "--target_modules"),
    what=Text(
        "No layer of the model fits {detail}. Its linear layers are: {found}.",
        "模型里没有与 {detail} 对应的层。它的线性层有：{found}。",
    ),
    why=Text(
        "Less would be trained than was asked, or nothing.",
        "实际训练的层会比要求的少，甚至一层都没有。",
    ),
    fix=Text(
        "{meant} `--target_modules all-linear` takes every linear layer but the output head.",
        "{meant}`--target_modules all-linear` 包含输出头以外的全部线性层。",
    ),
)
