"""R011 no-end-of-turn: after training, more answers do not come to an end.

What it looks at: the answers to probes (96 tokens at most) and skills (64), and how many the limit
cut because no end of turn came. It speaks when more answers lost their end than found one, beyond
chance (sign test, 1 %), and only if the rows' own answers fit into 96 tokens: whoever learns long
answers gives long answers.

Why it matters: a model that does not stop goes on talking to itself until the server cuts it.

Fix: train with fewer `--num_train_epochs` or a lower `--learning_rate`, and see with
`suretune check --dataset FILE` whether the end of the turn is among the learned tokens.

R011 no-end-of-turn：训练后，有更多回答停不下来。

检查内容：对验证问题（最多 96 个 token）和通用能力测试题（最多 64 个）的回答，有多少因为没有出现结
束标记而被上限截断。失去结尾的比找回结尾的多、且超出偶然（符号检验，1%）时才会报告；并且只在训练数
据自己的回答都放得进 96 个 token 时才判断：学的就是长回答，答得长并不奇怪。

影响：停不下来的模型会一直自言自语，直到被服务端截断。

怎么改：减少 `--num_train_epochs`，或者调低 `--learning_rate`；
并用 `suretune check --dataset FILE` 查看结束标记是否参与学习。
"""

from suretune.facts import ProofFacts
from suretune.guards.guard import Guard, Values, grew
from suretune.types import Text


def check(facts: ProofFacts) -> Values | None:
    found = facts.unended
    if found is None or not facts.answers_fit or not grew(found):
        return None
    return {"where": "answers", "asked": found.asked, "before": found.before, "after": found.after}


GUARD = Guard(
    code="R011",
    name="no-end-of-turn",
    title=Text("more answers never end", "回答停不下来"),
    stops=False,
    facts=ProofFacts,
    check=check,
    what=Text(
        "Of {asked} answers, {before} had no end of turn before training and {after} after it.",
        "{asked} 个回答中，训练前有 {before} 个没有结束标记，训练后有 {after} 个。",
    ),
    why=Text(
        "Such a model talks on until the server cuts it off.",
        "这样的模型会一直说下去，直到被服务端截断。",
    ),
    fix=Text(
        "Train with fewer `--num_train_epochs`, or a lower `--learning_rate`; "
        "`suretune check --dataset FILE` shows whether the end of the turn is learned.",
        "减少 `--num_train_epochs`，或者调低 `--learning_rate`；"
        "用 `suretune check --dataset FILE` 查看结束标记是否参与学习。",
    ),
)
