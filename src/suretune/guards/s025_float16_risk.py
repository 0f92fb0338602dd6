"""S025 float16-risk: float16 on a model that was made in bfloat16.

What it looks at: the precision of the run, and the one that the model's config.json names.

Why it matters: float16 ends at 65,504. Activations of models that were trained in bfloat16 can be
larger; then the loss is NaN, and T001 stops the run.

Fix: `--torch_dtype bfloat16` where the card has it, else `--torch_dtype float32`.

S025 float16-risk：用 float16 训练一个用 bfloat16 训练出来的模型。

检查内容：本次训练的精度，和模型 config.json 里写的精度。

影响：float16 最大只到 65504。用 bfloat16 训练出来的模型，激活值可能超过它；那样损失会变成 NaN，训
练由 T001 终止。

怎么改：显卡支持时用 `--torch_dtype bfloat16`，否则用 `--torch_dtype float32`。
"""

from suretune.facts import SetupFacts
from suretune.guards.guard import Guard, for_setup
from suretune.types import Text

GUARD = Guard(
    code="S025",
    name="float16-risk",
    title=Text("float16 may overflow", "float16 可能溢出"),
    stops=False,
    facts=SetupFacts,
    check=for_setup("float16-risk", "--torch_dtype"),
    what=Text(
        "{detail} was made in {found}; this run computes in float16.",
        "{detail} 是用 {found} 训练的，这次却用 float16 计算。",
    ),
    why=Text(
        "Values beyond 65,504 overflow, and the loss becomes NaN.",
        "超过 65504 的值会溢出，损失变成 NaN。",
    ),
    fix=Text(
        "`--torch_dtype bfloat16`, or `--torch_dtype float32` on a card without it.",
        "改用 `--torch_dtype bfloat16`；显卡不支持时用 `--torch_dtype float32`。",
    ),
)
