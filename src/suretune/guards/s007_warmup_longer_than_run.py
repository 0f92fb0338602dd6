"""S007 warmup-longer-than-run: the warm-up is longer than the run.

What it looks at: the warm-up in updates, and the updates in the whole run.

Why it matters: the learning rate would rise to the end and never reach
the value that was asked for.

Fix: `--warmup_ratio 0.05` in place of `--warmup_steps` makes the warm-up a twentieth of the run,
whatever its length.

S007 warmup-longer-than-run：预热比整个训练还长。

检查内容：预热的更新次数，和整个训练的更新次数。

影响：学习率会一直爬升到训练结束，始终达不到设定的值。

怎么改：把 `--warmup_steps` 换成 `--warmup_ratio 0.05`，预热就占训练的二十分之一，与训练长短无关。
"""

from suretune.facts import PlanFacts
from suretune.guards.guard import Guard, Values
from suretune.types import Text


def check(facts: PlanFacts) -> Values | None:
    if facts.warmup_asked <= facts.updates:
        return None
    return {"where": "--warmup_steps", "warmup": facts.warmup_asked, "updates": facts.updates}


GUARD = Guard(
    code="S007",
    name="warmup-longer-than-run",
    title=Text("warm-up longer than the run", "预热比训练还长"),
    stops=True,
    facts=PlanFacts,
    check=check,
    what=Text(
        "The warm-up takes {warmup} updates, the run has {updates}.",
        "预热需要 {warmup} 次更新，而整个训练只有 {updates} 次。",
    ),
    why=Text(
        "The learning rate would never reach the value that was asked for.",
        "学习率始终达不到设定的值。",
    ),
    fix=Text(
        "`--warmup_ratio 0.05` in place of `--warmup_steps`",
        "把 `--warmup_steps` 换成 `--warmup_ratio 0.05`",
    ),
)
