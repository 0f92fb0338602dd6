"""S023 many-passes: every row is seen more than twenty times.

What it looks at: updates, rows per update and rows: how often each row comes around.

Why it matters: rows that come around so often are learned by heart; the model repeats them, and
other answers get worse.

Fix: lower `--num_train_epochs` (or `--max_steps`), or add rows. Left out, suretune chooses at
most ten passes.

S023 many-passes：每条数据要学二十遍以上。

检查内容：更新次数、每次更新的条数和数据条数：每条数据要学多少遍。

影响：反复这么多遍，数据会被背下来；模型开始复读，其他回答变差。

怎么改：调低 `--num_train_epochs`（或 `--max_steps`），或者增加数据。不写时，suretune 最多选十轮。
"""

import math

from suretune.facts import PlanFacts
from suretune.guards.guard import Guard, Values
from suretune.types import Text

MOST = 20


def check(facts: PlanFacts) -> Values | None:
    per_pass = math.ceil(facts.rows / facts.rows_per_update)
    passes = facts.updates / max(per_pass, 1)
    if passes <= MOST:
        return None
    flag = "--max_steps" if facts.by_steps else "--num_train_epochs"
    few = 10 * per_pass if facts.by_steps else 10
    return {
        "where": flag,
        "passes": round(passes),
        "rows": facts.rows,
        "cure": f"`{flag} {few}`",
    }


GUARD = Guard(
    code="S023",
    name="many-passes",
    title=Text("rows are learned many times", "训练轮数过多"),
    stops=False,
    facts=PlanFacts,
    check=check,
    what=Text(
        "Each of the {rows} rows is learned about {passes} times.",
        "{rows} 条数据，每条大约要学 {passes} 遍。",
    ),
    why=Text(
        "They are learned by heart, and other answers get worse.",
        "数据会被背下来，其他回答变差。",
    ),
    fix=Text(
        "{cure}, or more rows.",
        "{cure}，或者增加数据。",
    ),
)
