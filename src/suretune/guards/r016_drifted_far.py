"""R016 drifted-far: on general questions the model is far from its base.

What it looks at: the KL divergence from base to tuned model along the base's own answers to general
questions, in nats a token. It speaks when most answers are further apart than `--max_drift`.

Why it matters: so far from its base a model answers everything in another way, also what no list of
questions asks.

How to mend it: halve `--learning_rate`, train with fewer `--num_train_epochs`, or hold the model to
what it was with `--anchor_ratio 0.6 --anchor_loss kl`.

R016 drifted-far：在通用问题上，模型偏离基座太远。

看什么：沿着基座自己对通用问题的回答，微调后的模型与基座的 KL 散度（每 token 奈特）。
多数回答的偏离都超过 `--max_drift` 时才会提示。

为什么重要：偏离这么远，模型对一切问题的回答都变了，包括没有任何题库会问到的。

怎么改：把 `--learning_rate` 减半，减少 `--num_train_epochs`，
或用 `--anchor_ratio 0.6 --anchor_loss kl` 让模型保持原样。
"""

from suretune.guards.guard import Guard, Values
from suretune.retention import RetentionFacts
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
    }


GUARD = Guard(
    code="R016",
    name="drifted-far",
    stops=True,
    facts=RetentionFacts,
    check=check,
    what=Text(
        "Along {far} of {asked} answers of the base the model is more than {bound} nats a token"
        " away from it; the mean is {drift}.",
        "沿着基座的 {asked} 个回答，有 {far} 个的偏离超过每 token {bound} 奈特；平均 {drift}。",
    ),
    why=Text(
        "It answers everything in another way, also what nobody asked here.",
        "它对一切问题的回答都变了，包括这里没有问到的。",
    ),
    fix=Text(
        "Halve `--learning_rate`, or use `--anchor_ratio 0.6 --anchor_loss kl`.",
        "把 `--learning_rate` 减半，或使用 `--anchor_ratio 0.6 --anchor_loss kl`。",
    ),
)
