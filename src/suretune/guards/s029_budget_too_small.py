"""S029 budget-too-small: not one update fits into the time that was given.

What it looks at: the time since the process began, what one update takes here (measured, nothing
applied), and what the proof will take (as long as the base's answers did).

Why it matters: a run without an update has nothing to prove.

Fix: give a longer `--budget`, or shorter rows (`--max_length`), or fewer rows an update
(`--gradient_accumulation_steps`).

S029 budget-too-small：给定的时间里一次更新也做不完。

检查内容：进程启动以来用去的时间、在这台机器上实测的一次更新所需的时间，以及验证将要用的时间（与
原模型作答所用的时间相当）。

影响：一次更新也没有，模型就没有变化，也就没有什么可以验证。

怎么改：把 `--budget` 调大，或缩短每行（`--max_length`），或减少每次更新的行数
（`--gradient_accumulation_steps`）。
"""

from suretune.facts import SetupFacts
from suretune.guards.guard import EMPTY, Guard, Values, for_setup
from suretune.types import Text


def check(facts: SetupFacts) -> Values | None:
    values = for_setup("budget-too-small")(facts)
    return values and {**values, "hint": facts.hint or EMPTY}


GUARD = Guard(
    code="S029",
    name="budget-too-small",
    title=Text("time budget too small", "时间预算太短"),
    stops=True,
    facts=SetupFacts,
    check=check,
    what=Text(
        "Not one update fits into `{detail}`: {found}.", "`{detail}` 内一次更新也做不完：{found}。"
    ),
    why=Text(
        "The time is counted from the start of the process, and the proof takes its part.",
        "时间从进程启动算起，其中一部分要留给验证。",
    ),
    fix=Text("Give a longer `--budget`. {hint}", "请把 `--budget` 调大。{hint}"),
)
