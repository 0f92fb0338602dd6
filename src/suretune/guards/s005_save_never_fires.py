"""S005 save-never-fires: the run ends before its first checkpoint.

What it looks at: `--save_steps` and the number of updates in the whole run.

Why it matters: the checkpoint at the end is written in any case, but a run that is
interrupted begins again from the start.

Fix: choose an interval that fits into the run; the message gives one that saves about four times.

S005 save-never-fires：还没到第一次保存，训练就结束了。

检查内容：`--save_steps` 和整个训练的更新次数。

影响：训练结束时总会保存检查点，但中途被打断就只能从头再来。

怎么改：把间隔改到训练长度以内；检查结果给出的值大约保存四次。
"""

from suretune.facts import PlanFacts
from suretune.guards.guard import Guard, Values
from suretune.types import Text


def check(facts: PlanFacts) -> Values | None:
    if facts.save_every <= facts.updates:
        return None
    return {
        "where": "--save_steps",
        "save_every": facts.save_every,
        "updates": facts.updates,
        "fitting": max(1, facts.updates // 4),
    }


GUARD = Guard(
    code="S005",
    name="save-never-fires",
    title=Text("run ends before the first save", "中途不会保存"),
    stops=False,
    facts=PlanFacts,
    check=check,
    what=Text(
        "The first checkpoint would come at update {save_every}, but the run ends at update "
        "{updates}; only the final one is written.",
        "第一个检查点要等到第 {save_every} 次更新，而训练在第 {updates} "
        "次更新就结束了，只会保存最后一个。",
    ),
    why=Text(
        "If the run is interrupted, it begins again from the start.",
        "训练中途被打断，就只能从头再来。",
    ),
    fix=Text("Give `--save_steps {fitting}`.", "改成 `--save_steps {fitting}`。"),
)
