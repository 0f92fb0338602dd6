"""S012 wrong-base: the adapter was trained on another base.

What it looks at: the fingerprint of the base that is stored with the adapter,
and that of the model given now; the shapes of the adapter's tensors and of the base's layers.

Why it matters: an adapter fits every model of the same shape and loads without a word. On another
base its changes mean nothing.

Fix: give the base that the message names: `--model PATH`. Where it names this very
base, the adapter's files do not belong together: copy its folder anew from where it was trained.

S012 wrong-base：适配器不是在这个原模型上训练的。

检查内容：与适配器一起保存的原模型指纹是否就是现在这个模型的；适配器的张量与原模型各层的形状是否相符。

影响：只要形状相同，适配器就能加载，不会有任何提示；可是换了原模型，它的改动就没有意义。

怎么改：改用检查结果里给出的原模型：`--model PATH`。如果给出的就是这个模型，说明适配器的文件不配套：
请从训练它的地方重新复制整个文件夹。
"""

import shlex

from suretune.facts import SetupFacts
from suretune.guards.guard import Guard, Values, word
from suretune.types import Text

COPY = Text(
    "`--model` with the base that it was trained on; if it is this one, copy the adapter's folder"
    " anew from where it was trained.",
    "用 `--model` 给出训练它时的原模型；如果就是这个模型，请从训练它的地方重新复制适配器文件夹。",
)

EACH = Text(
    "Serve or compare runs of one `--train_type` together, the others by a command of their own.",
    "同一种 `--train_type` 的运行放在一起服务或比较，其余的另用一条命令。",
)


def check(facts: SetupFacts) -> Values | None:
    if facts.problem != "wrong-base":
        return None
    base, trained_on = facts.detail, word(facts.found)
    other = trained_on if trained_on != base else ""
    if facts.hint:
        what = Text(
            f"The adapter does not fit {base}: {facts.hint.en}.",
            f"适配器与 {base} 不配：{facts.hint.zh}。",
        )
        if other:
            what = Text(
                f"{what.en} It was trained on {other}.", f"{what.zh}它是在 {other} 上训练的。"
            )
    elif other:
        what = Text(
            f"The adapter was trained on {other}, not on {base}.",
            f"适配器是在 {other} 上训练的，不是 {base}。",
        )
    else:
        what = Text(
            f"The adapter was trained on other weights than {base} has.",
            f"训练这个适配器时，{base} 的权重与现在不同。",
        )
    if facts.nearest == "apart":  # the base is there, in another packing
        return {"where": "--model", "what": what, "fix": EACH}
    fix = Text(*[f"`--model {shlex.quote(other)}`"] * 2) if other else COPY
    return {"where": "--model", "what": what, "fix": fix}


GUARD = Guard(
    code="S012",
    name="wrong-base",
    title=Text("adapter of another base", "适配器的原模型不符"),
    stops=True,
    facts=SetupFacts,
    check=check,
    what=Text("{what}", "{what}"),
    why=Text(
        "On another base its changes mean nothing, even where it loads.",
        "换了原模型，即使能加载，它的改动也没有意义。",
    ),
    fix=Text("{fix}", "{fix}"),
)
