"""S012 wrong-base: the adapter was trained on another base.

What it looks at: the fingerprint of the base that is stored with the adapter,
and that of the model given now.

Why it matters: an adapter fits every model of the same shape and loads without a word. On another
base its changes mean nothing.

Fix: give the base that the message names: `--model PATH`.

S012 wrong-base：适配器不是在这个原模型上训练的。

检查内容：与适配器一起保存的原模型指纹，和现在给出的模型的指纹。

影响：只要形状相同，适配器就能加载，不会有任何提示；可是换了原模型，它的改动就没有意义。

怎么改：改用检查结果给出的原模型：`--model PATH`。
"""

from suretune.guards.guard import Guard, for_setup
from suretune.types import SetupFacts, Text

GUARD = Guard(
    code="S012",
    name="wrong-base",
    title=Text("adapter of another base", "适配器的原模型不符"),
    stops=True,
    facts=SetupFacts,
    check=for_setup("wrong-base", "--model"),
    what=Text(
        "The adapter was trained on {found}, not on {detail}.",
        "适配器是在 {found} 上训练的，不是 {detail}。",
    ),
    why=Text(
        "On another base its changes mean nothing, although it loads.",
        "换了原模型也能加载，但它的改动没有意义。",
    ),
    fix=Text("Give `--model {found}`.", "改成 `--model {found}`。"),
)
