"""R008 proof-impossible: the fresh process could not load or measure the adapter.

What it looks at: whether the process that shall prove the result ends well.

Why it matters: what cannot be loaded from disk cannot be served, whatever the loss was.

Fix: read the last words of the process; `suretune resume RUN` proves it again.

R008 proof-impossible：全新的进程无法加载或测量这个适配器。

检查内容：负责验证的进程是否正常结束。

影响：从磁盘加载不了的适配器无法上线，训练损失再低也没有用。

怎么改：看该进程最后的报错；原因排除后用 `suretune resume RUN` 重新验证。
"""

from suretune.facts import SetupFacts
from suretune.guards.guard import Guard, Values, for_setup
from suretune.types import Text


def check(facts: SetupFacts) -> Values | None:
    """`nearest`: another command than `resume`, where the run has its seal already."""
    values = for_setup("proof-impossible")(facts)
    again = facts.nearest or f"suretune resume {values['path'] if values else ''}"
    return values and {**values, "again": again}


GUARD = Guard(
    code="R008",
    name="proof-impossible",
    title=Text("proof could not be made", "无法验证"),
    stops=True,
    facts=SetupFacts,
    check=check,
    what=Text(
        "The fresh process could not prove {detail}: {found}",
        "全新的进程无法验证 {detail}：{found}",
    ),
    why=Text(
        "What cannot be loaded from disk cannot be served.", "从磁盘加载不了的适配器无法上线。"
    ),
    fix=Text(
        "Once the cause is gone, `{again}` proves it again.",
        "原因排除后，`{again}` 会重新验证。",
    ),
)
