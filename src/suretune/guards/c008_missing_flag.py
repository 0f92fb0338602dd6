"""C008 missing-flag: a flag that the command cannot do without was not given.

What it looks at: the few flags without a default, such as `--model` and `--dataset`.

Why it matters: a default model or a default data set would be trained without being asked for.

How to mend it: add the flag; `suretune demo` shows a whole run that needs none.

C008 missing-flag：缺少一个必需的参数。

看什么：少数没有默认值的参数，例如 `--model` 和 `--dataset`。

为什么重要：如果默认替你选一个模型或一份数据，训练的就不是你要的东西。

怎么改：补上这个参数；想先看一遍完整流程，`suretune demo` 不需要任何参数。
"""

from suretune.guards.guard import Guard, for_flag
from suretune.types import FlagFacts, Text

GUARD = Guard(
    code="C008",
    name="missing-flag",
    stops=True,
    facts=FlagFacts,
    check=for_flag("missing-flag"),
    what=Text("`{flag}` is missing.", "缺少参数 `{flag}`。"),
    why=Text(
        "There is no default that would be right for everybody.", "它没有适合所有人的默认值。"
    ),
    fix=Text("Add `{flag}`. {hint}", "请补上 `{flag}`。{hint}"),
)
