"""S003 trains-nothing: not one parameter of the model would change.

What it looks at: the parameters that training may change, once the adapter is attached
and everything else is frozen; with `--train_type full`, once what was asked for is frozen.

Why it matters: the loss is still computed and printed, and the saved adapter is the base.

Fix: `--target_modules all-linear` puts an adapter on every linear layer but the output head, and
`--layers_to_transform all` into every block. With `--train_type full`, freeze less:
`--freeze_parameters_ratio 1` freezes everything.

S003 trains-nothing：模型里没有一个参数会发生变化。

检查内容：挂上适配器、冻结其余部分之后，还有哪些参数可以训练；`--train_type full` 时，看按要求
冻结之后还剩哪些。

影响：损失照样计算、照样打印，保存下来的适配器却等于原模型。

怎么改：`--target_modules all-linear` 会给输出头以外的每个线性层加上适配器，
`--layers_to_transform all` 则每一层都加。`--train_type full` 时请少冻结一些：
`--freeze_parameters_ratio 1` 会冻结全部权重。
"""

from suretune.facts import SetupFacts
from suretune.guards.guard import Guard, Values, for_setup
from suretune.types import Text

LAYERS = Text(
    "`--target_modules all-linear` trains an adapter on every linear layer.",
    "`--target_modules all-linear` 会在每个线性层上训练适配器。",
)
WEIGHTS = Text(
    "Freeze less, `--freeze_parameters_ratio 0.8`, or name what learns all the same:"
    " `--trainable_parameters lm_head`.",
    "少冻结一些，如 `--freeze_parameters_ratio 0.8`；或写明仍要训练的权重："
    "`--trainable_parameters lm_head`。",
)
DEPTHS = Text(
    "`--layers_to_transform all` puts adapters into every layer.",
    "`--layers_to_transform all` 会在每一层加上适配器。",
)


def check(facts: SetupFacts) -> Values | None:
    values = for_setup("trains-nothing")(facts)
    cures = {"full": WEIGHTS, "layers": DEPTHS}
    return values and {**values, "cure": cures.get(facts.spare, LAYERS)}


GUARD = Guard(
    code="S003",
    name="trains-nothing",
    title=Text("no parameter would change", "没有可训练的参数"),
    stops=True,
    facts=SetupFacts,
    check=check,
    what=Text(
        "With {detail}, the parameters that would change are: {found}.",
        "按 {detail}，会发生变化的参数：{found}。",
    ),
    why=Text(
        "The loss would be printed all the same, and the result would be the base.",
        "损失照样会打印，得到的却还是原模型。",
    ),
    fix=Text("{cure}", "{cure}"),
)
