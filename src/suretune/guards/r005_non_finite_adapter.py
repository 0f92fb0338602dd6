"""R005 non-finite-adapter: the saved adapter contains NaN or infinite values.

What it looks at: every value of every tensor in the adapter's file.

Why it matters: such an adapter loads without an error and fails only when it is asked something:
"probability tensor contains either inf, nan or element < 0".

Fix: the last good checkpoint is in the run folder; train again with a tenth of the
`--learning_rate`, in `--torch_dtype bfloat16`.

R005 non-finite-adapter：保存的适配器里有 NaN 或 Inf。

检查内容：适配器文件里每个张量的每个值。

影响：这样的适配器加载时不报错，提问时才失败：“probability tensor contains either inf, nan or
element < 0”。

怎么改：上一个好的检查点还在运行文件夹里；把 `--learning_rate` 降到十分之一，用
`--torch_dtype bfloat16` 重新训练。
"""

from suretune.facts import ProofFacts
from suretune.guards.guard import Guard, Values, some
from suretune.types import Text


def check(facts: ProofFacts) -> Values | None:
    if not facts.tensors_non_finite:
        return None
    tensors = facts.tensors_non_finite
    return {"where": "adapter", "count": len(tensors), "tensors": some(tensors)}


GUARD = Guard(
    code="R005",
    name="non-finite-adapter",
    title=Text("NaN or Inf in the adapter", "适配器含 NaN 或 Inf"),
    stops=True,
    facts=ProofFacts,
    check=check,
    what=Text(
        "Tensors that hold NaN or Inf: {count} ({tensors}).",
        "含有 NaN 或 Inf 的张量有 {count} 个（{tensors}）。",
    ),
    why=Text(
        "The adapter loads, but fails or babbles as soon as it is asked something.",
        "适配器能加载，可是一提问就出错或胡言乱语。",
    ),
    fix=Text(
        "Train again with a tenth of the `--learning_rate`, in `--torch_dtype bfloat16`.",
        "把 `--learning_rate` 降到十分之一，用 `--torch_dtype bfloat16` 重新训练。",
    ),
)
