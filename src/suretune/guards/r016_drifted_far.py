"""R016 drifted-far: on general questions the model is far from its base.

What it looks at: the KL divergence from base to tuned model along the base's own answers to general
questions, in nats a token. It speaks when most answers are further apart than `--max_drift`.

Why it matters: so far from its base a model answers everything in another way, also what no list of
questions asks.

Fix: halve `--learning_rate`, train with fewer `--num_train_epochs`, or hold the model to what it
was with `--anchor_ratio 0.75 --anchor_loss kl`; a run that had that already, with more anchors,
`--anchors_per_row 2`.

R016 drifted-far：在通用问题上，模型与原模型的差异太大。

检查内容：沿着原模型自己对通用问题的回答，微调后的模型与原模型的差异（每个 token 的 KL 散度）。多
数回答的差异都超过 `--max_drift` 时才会报告。

影响：差异这么大，模型对一切问题的回答都变了，包括没有任何题库会问到的。

怎么改：把 `--learning_rate` 减半，减少 `--num_train_epochs`，
或用 `--anchor_ratio 0.75 --anchor_loss kl` 让模型保持原样；已经这样训练过的，就用
`--anchors_per_row 2` 增加锚定问答。
"""

from suretune.guards.guard import Guard, Values
from suretune.retention import RetentionFacts, more_anchors
from suretune.types import Text


def check(facts: RetentionFacts) -> Values | None:
    if "drift" not in facts.fallen:
        return None
    return {
        "where": "general questions",
        "drift": f"{facts.drift:.2f}",
        "far": facts.drifted,
        "asked": facts.drift_asked,
        "bound": f"{facts.max_drift:g}",
        "anchors": more_anchors(facts.used),
    }


GUARD = Guard(
    code="R016",
    name="drifted-far",
    title=Text("far from the base", "与原模型差异过大"),
    stops=True,
    facts=RetentionFacts,
    check=check,
    what=Text(
        "Along {far} of {asked} answers of the base the model has drifted from it by "
        "more than {bound} (KL, nats per token); the mean is {drift}.",
        "沿着原模型的 {asked} 个回答，有 {far} 个与原模型的差异（KL）超过 {bound}；平均 {drift}。",
    ),
    why=Text(
        "It answers everything in another way, also what nobody asked here.",
        "它对一切问题的回答都变了，包括这里没有问到的。",
    ),
    fix=Text(
        "Halve `--learning_rate`, or use `{anchors}`.",
        "把 `--learning_rate` 减半，或使用 `{anchors}`。",
    ),
)
