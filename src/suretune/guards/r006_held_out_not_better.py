"""R006 held-out-not-better: on the held-out rows the tuned model is no better than the base.

What it looks at: the loss on rows that were not trained on, before and after. Runs that teach an
identity are exempt: there the probes decide.

Why it matters: a training loss that falls while this one does not means
that the rows were memorised, or that nothing was learned.

Fix: where that loss rose, by more than 0.05 nats a token or a tenth from its lowest point, train
with fewer `--num_train_epochs` or with more rows; where it only stayed as it was, longer, or with
more rows. What is offered as the next command does the same.

R006 held-out-not-better：在留出的数据上，微调后的模型不比原模型好。

检查内容：没有参与训练的数据在训练前后的损失。身份微调不看这一项，由验证问题决定。

影响：训练损失在降，这里却不降，说明模型只是背下了训练数据，或者什么也没有学到。

怎么改：如果这个损失从最低点上升了每 token 0.05 或者一成以上，就减少 `--num_train_epochs`，或者
增加数据；如果只是没有变化，就多训练一些，或者增加数据。报告给出的下一条命令与此一致。
"""

from suretune.facts import ProofFacts
from suretune.guards.guard import Guard, Values
from suretune.retention import LONGER, SHORTER, rose
from suretune.types import Text

BY_HEART = Text(
    "The model memorised its rows and learned nothing that carries over to others.",
    "模型只是背下了训练数据，没有学到能用在别处的东西。",
)
NOTHING = Text(
    "That is as good as nothing: what was learned does not carry over to other rows.",
    "这等于没有变化：学到的东西没有用到别的数据上。",
)


def check(facts: ProofFacts) -> Values | None:
    before, after = facts.held_out_before, facts.held_out_after
    if facts.identity or before is None or after is None or after < before:
        return None
    less, more = SHORTER[facts.used.length], LONGER[facts.used.length]
    longer = Text(f"{more.en[0].upper()}{more.en[1:]}", more.zh)
    worse = rose(before, facts.held_out_least, after)
    how = Text(f"Train {less.en}", less.zh) if worse else longer
    why = BY_HEART if worse else NOTHING
    return {"where": "held-out rows", "before": before, "after": after, "why": why, "how": how}


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
    why=Text("{why}", "{why}"),
    fix=Text("{how}, or give more rows.", "{how}，或者增加数据。"),
)
