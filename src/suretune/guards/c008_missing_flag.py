"""C008 missing-flag: a flag that the command cannot do without was not given.

What it looks at: the few flags without a default, such as `--model` and `--dataset`.

Why it matters: a default model or a default data set would be trained without being asked for.

Fix: add the flag; `suretune demo` shows a whole run that needs none.

C008 missing-flag：缺少一个必需的参数。

检查内容：少数没有默认值的参数，例如 `--model` 和 `--dataset`。

影响：这一项没有默认值：替你选一个模型或一份数据，训练的就不是你要的东西。

怎么改：补上这个参数；想先看一遍完整流程，`suretune demo` 不需要任何参数。
"""

from suretune.facts import FlagFacts
from suretune.guards.guard import Guard, for_flag
from suretune.types import Text

GUARD = Guard(
    code="C008",
    name="missing-flag",
    title=Text("required flag missing", "缺少必需的参数"),
    stops=True,
    facts=FlagFacts,
    check=for_flag("missing-flag"),
    what=Text("`{flag}` is missing.", "缺少参数 `{flag}`。"),
    why=Text(
        "It has no default: only you know which one is meant.",
        "这一项没有默认值：用哪个只有你知道。",
    ),
    fix=Text("Add `{flag}`. {hint}", "请补上 `{flag}`。{hint}"),
)
