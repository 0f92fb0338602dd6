"""S003 trains-nothing: not one parameter of the model would change.

What it looks at: the parameters that training may change, once the adapter is attached
and everything else is frozen.

Why it matters: the loss is still computed and printed, and the saved adapter is the base.

Fix: `--target_modules all-linear` puts an adapter on every linear layer but the output head.

S003 trains-nothing：模型里没有一个参数会发生变化。

检查内容：挂上适配器、冻结其余部分之后，还有哪些参数可以训练。

影响：损失照样计算、照样打印，保存下来的适配器却等于原模型。

怎么改：`--target_modules all-linear` 会给输出头以外的每个线性层加上适配器。
"""

from suretune.facts import SetupFacts
from suretune.guards.guard import Guard, for_setup
from suretune.types import Text

GUARD = Guard(
    code="S003",
    name="trains-nothing",
    title=Text("no parameter would change", "没有可训练的参数"),
    stops=True,
    facts=SetupFacts,
    check=for_setup("trains-nothing"),
    what=Text(
        "With {detail}, the parameters that would change are: {found}.",
        "按 {detail}，会发生变化的参数：{found}。",
    ),
    why=Text(
        "The loss would be printed all the same, and the result would be the base.",
        "损失照样会打印，得到的却还是原模型。",
    ),
    fix=Text(
        "`--target_modules all-linear` trains an adapter on every linear layer.",
        "`--target_modules all-linear` 会在每个线性层上训练适配器。",
    ),
)
