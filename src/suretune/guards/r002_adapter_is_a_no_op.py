"""R002 adapter-is-a-no-op: with the adapter, the model answers exactly as without it.

What it looks at: the largest difference between the logits of the tuned model and those
of the base, in a fresh process.

Why it matters: this is how a learning rate that is far too low, or an adapter that was never
applied, looks from outside: everything ended well and nothing changed.

Fix: raise `--learning_rate` tenfold, or train more updates with `--num_train_epochs`.

R002 adapter-is-a-no-op：加不加适配器，模型的输出都一样。

检查内容：在新进程里，微调后的模型与原模型的 logits 最多相差多少。

影响：学习率低得太多，或者适配器根本没有用上，从外面看就是这样：一切顺利，什么也没变。

怎么改：把 `--learning_rate` 提高十倍，或者用 `--num_train_epochs` 多训练一些。
"""

from suretune.facts import ProofFacts
from suretune.guards.guard import Guard, Values
from suretune.types import Text


def check(facts: ProofFacts) -> Values | None:
    if facts.logits_change > facts.logits_tolerance:
        return None
    return {
        "where": "adapter",
        "change": facts.logits_change,
        "tolerance": facts.logits_tolerance,
    }


GUARD = Guard(
    code="R002",
    name="adapter-is-a-no-op",
    title=Text("adapter changes nothing", "适配器不起作用"),
    stops=True,
    facts=ProofFacts,
    check=check,
    what=Text(
        "The adapter changes the logits by {change:.3g} at most, no more than "
        "the tolerance of {tolerance:.3g}.",
        "适配器最多让 logits 变化 {change:.3g}，没有超过容差 {tolerance:.3g}。",
    ),
    why=Text("The model answers as it did before training.", "模型的回答和训练前一样。"),
    fix=Text(
        "Train with ten times the `--learning_rate`, or for more `--num_train_epochs`.",
        "把 `--learning_rate` 提高十倍，或者调大 `--num_train_epochs`。",
    ),
)
