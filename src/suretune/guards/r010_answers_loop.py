"""R010 answers-loop: after training, more answers go round in circles.

What it looks at: the answers to probes and skills before and after training, and in how many of
them a phrase stands three times or more behind itself, for 12 tokens or more. It speaks when more
answers began to loop than stopped, beyond chance (sign test, 1 %).

Why it matters: repetition is what an overfitted model is noticed by first, and a probe that looks
for a name passes all the same.

Fix: train with fewer `--num_train_epochs` or a lower `--learning_rate`.

R010 answers-loop：训练后，有更多回答在复读。

检查内容：训练前后对验证问题和通用能力测试题的回答，其中有多少出现同一短语连续三遍以上、合计 12 个
token 以上。新开始打转的比不再打转的多、且超出偶然（符号检验，1%）时才会报告。

影响：过拟合最先被看出来的就是复读，而只查名字的验证问题照样会通过。

怎么改：减少 `--num_train_epochs`，或者调低 `--learning_rate`。
"""

from suretune.facts import ProofFacts
from suretune.guards.guard import Guard, Values, grew
from suretune.types import Text


def check(facts: ProofFacts) -> Values | None:
    found = facts.looping
    if found is None or not grew(found):
        return None
    return {"where": "answers", "asked": found.asked, "before": found.before, "after": found.after}


GUARD = Guard(
    code="R010",
    name="answers-loop",
    title=Text("more answers go in circles", "回答开始复读"),
    stops=False,
    facts=ProofFacts,
    check=check,
    what=Text(
        "Of {asked} answers, {before} went round in circles before training and {after} after it.",
        "{asked} 个回答中，训练前有 {before} 个在复读，训练后有 {after} 个。",
    ),
    why=Text(
        "Repetition is a sign of overfitting that probes looking for words do not see.",
        "复读是过拟合的迹象，而只查词语的验证问题看不出来。",
    ),
    fix=Text(
        "Train with fewer `--num_train_epochs`, or a lower `--learning_rate`.",
        "减少 `--num_train_epochs`，或者调低 `--learning_rate`。",
    ),
)
