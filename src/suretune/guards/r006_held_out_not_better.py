"""R006 held-out-not-better: on the held-out rows the tuned model is no better than the base.

What it looks at: the loss on rows that were not trained on, before and after. Runs that teach an
identity are exempt: there the probes decide.

Why it matters: a training loss that falls while this one does not means
that the rows were memorised.

Fix: train with fewer `--num_train_epochs` or with more rows.

R006 held-out-not-better：在留出的数据上，微调后的模型不比原模型好。

检查内容：没有参与训练的数据在训练前后的损失。身份微调不看这一项，由验证问题决定。

影响：训练损失在降，这里却不降，说明模型只是背下了训练数据。

怎么改：减少 `--num_train_epochs`，或者增加数据。
"""

from suretune.facts import ProofFacts
from suretune.guards.guard import Guard, Values
from suretune.retention import SHORTER
from suretune.types import Text


def check(facts: ProofFacts) -> Values | None:
    before, after = facts.held_out_before, facts.held_out_after
    if facts.identity or before is None or after is None or after < before:
        return None
    less = SHORTER[facts.used.length]
    return {"where": "held-out rows", "before": before, "after": after, "less": less}


GUARD = Guard(
    code="R006",
    name="held-out-not-better",
    title=Text("held-out loss no better", "留出数据没有变好"),
    stops=True,
    facts=ProofFacts,
    check=check,
    what=Text(
        "The loss on held-out rows went from {before:.4g} to {after:.4g}.",
        "留出数据上的损失从 {before:.4g} 变成 {after:.4g}。",
    ),
    why=Text(
        "The model memorised its rows and learned nothing that carries over to others.",
        "模型只是背下了训练数据，没有学到能用在别处的东西。",
    ),
    fix=Text(
        "Train {less}, or with more rows.",
        "{less}，或者增加数据。",
    ),
)
