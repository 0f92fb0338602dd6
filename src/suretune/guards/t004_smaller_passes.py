"""T004 smaller-passes: memory ran out, and the same updates were computed in smaller passes.

What it looks at: whether an update ran out of memory.

Why it matters: the update was computed again, whole, in smaller passes: the gradient is the same
within rounding, the rows and the schedule too. It takes longer.

Fix: nothing has to be done. To be as fast as possible, free the device of other programs, or
start with fewer tokens a pass: `--tokens_per_pass 2048`.

T004 smaller-passes：显存（或内存）不足，同样的更新改为分成更小的微批计算。

检查内容：某次更新是否耗尽了显存或内存。

影响：这次更新整个重算，只是每个微批的 token 更少：梯度在舍入误差内相同，数据和计划不变，只是更
慢。

怎么改：不用处理。想更快，就关掉占用显卡的其他程序，或者一开始就减少每个微批的 token：
`--tokens_per_pass 2048`。
"""

import re

from suretune.facts import RecoveryFacts
from suretune.guards.guard import Guard, Values, for_recovery
from suretune.types import Text

WAYS = (  # as the engine notes them
    (r"(\d+) tokens a pass", r"每个微批 \1 个 token"),
    (r"(\d+) layers keep (\w+)", r"\1 层只保留 `\2`"),
    (r"a decoder that is captured anew at each evaluation", "每次评估时重新捕获 CUDA graph"),
    (r"no CUDA graphs: there is no room for them", "不用 CUDA graph，显存放不下"),
)


def check(facts: RecoveryFacts) -> Values | None:
    values = for_recovery("smaller-passes")(facts)
    chinese = facts.how.replace(", ", "，")
    for english, said in WAYS:
        chinese = re.sub(english, said, chinese)
    return values and {**values, "how": Text(facts.how, chinese)}


GUARD = Guard(
    code="T004",
    name="smaller-passes",
    title=Text("smaller passes for want of memory", "已改为更小的批次"),
    stops=False,
    facts=RecoveryFacts,
    check=check,
    what=Text(
        "Memory ran out at update {step}; computed since then with {how}.",
        "第 {step} 次更新时显存（或内存）不足；之后改为：{how}。",
    ),
    why=Text(
        "The gradient is the same within rounding; only time is lost.",
        "梯度在舍入误差内相同，只是慢一些。",
    ),
    fix=Text(
        "Free the device of other programs, or give `--tokens_per_pass 2048`.",
        "关掉占用显卡的其他程序，或者加 `--tokens_per_pass 2048`。",
    ),
)
