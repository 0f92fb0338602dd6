"""S004 evaluation-never-fires: the run ends before its first evaluation.

What it looks at: `--eval_steps` and the number of updates in the whole run.

Why it matters: 50 rows in groups of 16 for 10 epochs are 40 updates, and not 500:
`--eval_steps 50` never comes, so no best checkpoint can be chosen and nothing can stop early.

Fix: choose an interval that fits into the run; the message gives one that evaluates about four
times, or as often as `--early_stopping_patience` needs.

S004 evaluation-never-fires：还没到第一次评估，训练就结束了。

检查内容：`--eval_steps` 和整个训练的更新次数。

影响：50 条数据，每 16 条更新一次，10 轮是 40 次更新，不是 500 次：`--eval_steps 50` 永远等不到，
也就选不出最好的检查点，早停也不会触发。

怎么改：把间隔改到训练长度以内；检查结果给出的值大约评估四次，或者满足 `--early_stopping_patience`
所需的次数。
"""

from suretune.facts import PlanFacts
from suretune.guards.guard import Guard, Values, evaluate_every
from suretune.types import Text


def check(facts: PlanFacts) -> Values | None:
    if facts.eval_every <= facts.updates:
        return None
    return {
        "where": "--eval_steps",
        "eval_every": facts.eval_every,
        "updates": facts.updates,
        # The same as S006 asks for, where it speaks too; it may also ask to leave the patience out.
        "fitting": evaluate_every(facts.updates, facts.patience)
        or evaluate_every(facts.updates, 0),
    }


GUARD = Guard(
    code="S004",
    name="evaluation-never-fires",
    title=Text("run ends before the first evaluation", "评估不会发生"),
    stops=True,
    facts=PlanFacts,
    check=check,
    what=Text(
        "The first evaluation would come at update {eval_every}, but the "
        "run ends at update {updates}.",
        "第一次评估要等到第 {eval_every} 次更新，而训练在第 {updates} 次更新就结束了。",
    ),
    why=Text(
        "Without an evaluation on the way, no best checkpoint can be chosen.",
        "训练途中没有评估，就选不出最好的检查点。",
    ),
    fix=Text("Give `--eval_steps {fitting}`.", "改成 `--eval_steps {fitting}`。"),
)
