"""R013 held-out-turned-up: the loss on held-out rows fell, then rose again.

What it looks at: the lowest loss on the held-out rows along the way, and the loss of the weights
that were kept. More than 0.05 nats a token between them (5 % in perplexity) are told. An adapter
that is published at a smaller dose is another one than those on the way, and not compared.

Why it matters: from the lowest point on, the model learned its rows by heart, at the cost of
everything that is like them.

Fix: `--early_stopping_patience 3` keeps the weights of the lowest point; or train with fewer
`--num_train_epochs`.

R013 held-out-turned-up：留出数据上的损失先降后升。

检查内容：途中留出数据的最低损失，与最后保留的权重的损失。相差超过每 token 0.05（困惑度的 5%）就会
报告。以较小强度发布的适配器与途中的不是同一个，不作比较。

影响：从最低点往后，模型是在死记训练数据，与之相近的其他内容反而变差。

怎么改：`--early_stopping_patience 3` 会保留最低点的权重；或者减少 `--num_train_epochs`。
"""

from suretune.facts import ProofFacts
from suretune.guards.guard import Guard, Values
from suretune.retention import SHORTER, TURNED
from suretune.types import Text


def check(facts: ProofFacts) -> Values | None:
    least, kept = facts.held_out_least, facts.held_out_after
    if facts.dose != 1 or least is None or kept is None or kept - least <= TURNED:
        return None
    if facts.held_out_before is not None and least >= facts.held_out_before:
        return None  # it never fell: R006
    step, less = facts.held_out_least_step, SHORTER[facts.used.length]
    return {"where": "held-out rows", "least": least, "kept": kept, "step": step, "less": less}


GUARD = Guard(
    code="R013",
    name="held-out-turned-up",
    title=Text("held-out loss fell, then rose", "验证损失先降后升"),
    stops=False,
    facts=ProofFacts,
    check=check,
    what=Text(
        "The loss on held-out rows was {least:.4g} after update {step} and is {kept:.4g} now.",
        "留出数据上的损失在第 {step} 次更新后是 {least:.4g}，现在是 {kept:.4g}。",
    ),
    why=Text(
        "Since then the model has learned its rows by heart.",
        "从那以后，模型是在死记训练数据。",
    ),
    fix=Text(
        "`--early_stopping_patience 3` keeps the weights of the lowest point; or train {less}.",
        "`--early_stopping_patience 3` 会保留最低点的权重；或者{less}。",
    ),
)
