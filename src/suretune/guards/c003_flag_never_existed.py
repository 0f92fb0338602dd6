"""C003 flag-never-existed: a flag that articles recommend, but that the
tool they write about never had.

What it looks at: flags that circulate in articles and exist in no version, such
as `--use_loss_scale_sampler`.

Why it matters: the advice around such a flag was never tried, so the problem that it was
meant to solve is still there.

Fix: take the flag out and write what the message gives in its place.

C003 flag-never-existed：网上的教程里有、但它所说的工具从来没有过的参数。

检查内容：在教程之间流传、却不存在于任何版本的参数，例如 `--use_loss_scale_sampler`。

影响：写这条建议的人没有真正运行过它，它许诺的效果不会出现。

怎么改：去掉它，换成检查结果给出的写法。
"""

from suretune.facts import FlagFacts
from suretune.guards.guard import Guard, for_flag
from suretune.types import Text

GUARD = Guard(
    code="C003",
    name="flag-never-existed",
    title=Text("flag that no version ever had", "从未有过的参数"),
    stops=True,
    facts=FlagFacts,
    check=for_flag("flag-never-existed"),
    what=Text(
        "`{flag}` is taught in articles, but no version of the tool that they write about has it.",
        "`{flag}` 只出现在网上的教程里，教程所说的工具没有任何版本有它。",
    ),
    why=Text(
        "Whoever advised it has never run it: what it promises does not happen.",
        "写这条建议的人没有真正运行过它，它许诺的效果不会出现。",
    ),
    fix=Text("Remove `{flag}`. {hint}", "去掉 `{flag}`。{hint}"),
)
