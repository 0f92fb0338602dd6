"""C003 flag-never-existed: a flag that articles recommend, but that the
tool they write about never had.

What it looks at: flags that circulate in articles and exist in no version, such
as `--use_loss_scale_sampler`.

Why it matters: the advice around such a flag was never tried, so the problem that it was
meant to solve is still there.

How to mend it: take the flag out and write what the message gives in its place;


C003 flag-never-existed：文章里推荐过，但文章所说的工具从来没有过的参数。

看什么：在文章之间流传、却不存在于任何版本的参数，例如 `--use_loss_scale_sampler`。

为什么重要：围绕这种参数的建议没有人真正跑过，它要解决的问题其实还在。

怎么改：去掉它，换成提示里给出的写法。
"""

from suretune.guards.guard import Guard, for_flag
from suretune.types import FlagFacts, Text

GUARD = Guard(
    code="C003",
    name="flag-never-existed",
    stops=True,
    facts=FlagFacts,
    check=for_flag("flag-never-existed"),
    what=Text(
        "`{flag}` is taught in articles, but no version of the tool that they write about has it.",
        "`{flag}` 只出现在文章里，文章所说的工具没有任何版本有它。",
    ),
    why=Text("The problem that it was meant to solve is still there.", "它要解决的问题仍然存在。"),
    fix=Text("Remove `{flag}`. {hint}", "去掉 `{flag}`。{hint}"),
)
