"""C006 conflicting-flags: two flags ask for things that exclude each other.

What it looks at: flags that set the same thing, such as `--fp16 true`
beside `--torch_dtype bfloat16`.

Why it matters: one of the two would win in silence, and nobody could
tell which one from the command.

Fix: keep the flag that you mean and remove the other.

C006 conflicting-flags：两个参数的要求互相矛盾。

检查内容：设定同一件事的参数，例如 `--fp16 true` 和 `--torch_dtype bfloat16` 同时出现。

影响：只有一个会生效，而从命令上看不出是哪一个。

怎么改：保留你真正要的那个，去掉另一个。
"""

from suretune.facts import FlagFacts
from suretune.guards.guard import Guard, for_flag
from suretune.types import Text

GUARD = Guard(
    code="C006",
    name="conflicting-flags",
    title=Text("flags that contradict each other", "参数互相矛盾"),
    stops=True,
    facts=FlagFacts,
    check=for_flag("conflicting-flags"),
    what=Text("`{flag}` and `{value}` contradict each other.", "`{flag}` 与 `{value}` 互相矛盾。"),
    why=Text(
        "One of them would be ignored, and the command would not show which.",
        "只有一个会生效，而从命令上看不出是哪一个。",
    ),
    fix=Text(
        "{hint} Keep one of the two, for example by removing `{flag}`.",
        "{hint}两个只留一个，例如去掉 `{flag}`。",
    ),
)
