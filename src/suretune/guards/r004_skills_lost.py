"""R004 skills-lost: the model lost more of its general skills than is allowed.

What it looks at: the share of right answers on the skills file beside the
model, before and after training.

Why it matters: what was learned is usually looked at, and what was forgotten is not.

How to mend it: mix in general rows, such as
`--dataset mine.jsonl general.jsonl#500`, or lower `--learning_rate`.

R004 skills-lost：模型丢掉的通用能力超过了允许的范围。

看什么：用模型旁边的技能题文件，比较训练前后的正确率。

为什么重要：学会了什么，大家都会看；忘掉了什么，往往没人看。

怎么改：混入一些通用数据，例如 `--dataset mine.jsonl general.jsonl#500`，
或者调低 `--learning_rate`。
"""

from suretune.guards.guard import Guard, Values
from suretune.types import ProofFacts, Text

ROUNDING = 1e-9  # 0.90 - 0.85 is a little more than 0.05


def check(facts: ProofFacts) -> Values | None:
    before, after, allowed = facts.skills_before, facts.skills_after, facts.skills_allowed_drop
    if before is None or after is None or before - after <= allowed + ROUNDING:
        return None
    return {"where": "skills", "before": before, "after": after, "allowed": allowed}


GUARD = Guard(
    code="R004",
    name="skills-lost",
    stops=True,
    facts=ProofFacts,
    check=check,
    what=Text(
        "General skills fell from {before:.1%} to {after:.1%}; at most {allowed:.1%} may be lost.",
        "通用能力的正确率从 {before:.1%} 降到 {after:.1%}，最多允许下降 {allowed:.1%}。",
    ),
    why=Text(
        "What was learned does not make up for what the model can no longer do.",
        "学会了新的，却做不了原来会做的事，得不偿失。",
    ),
    fix=Text(
        "Mix in general rows, `--dataset mine.jsonl general.jsonl#500`, "
        "or lower `--learning_rate`.",
        "混入通用数据：`--dataset mine.jsonl general.jsonl#500`，或者调低 `--learning_rate`。",
    ),
)
