"""S006 patience-cannot-trigger: there are too few evaluations for early stopping ever to act.

What it looks at: the evaluations before the last update, the one of the base included, and
`--early_stopping_patience`. Without held-out rows, S011 speaks in its place.

Why it matters: a patience of N needs one evaluation to compare with and N that are no better.

Fix: evaluate more often with `--eval_steps`, or lower the patience.

S006 patience-cannot-trigger：评估次数太少，早停不可能触发。

检查内容：最后一次更新之前的评估次数（包括训练前对原模型的那次），和 `--early_stopping_patience`。
没有留出数据时，由 S011 检查。

影响：早停容忍次数为 N 时，需要一次评估作比较的基准，再加 N 次没有变好的评估；次数不够，早停就不会
触发。

怎么改：用 `--eval_steps` 评估得更勤，或者调低 `--early_stopping_patience`。
"""

from suretune.facts import PlanFacts
from suretune.guards.guard import Guard, Values, evaluate_every
from suretune.types import Text


def check(facts: PlanFacts) -> Values | None:
    if facts.patience <= 0 or facts.held_out <= 0 or facts.evaluations > facts.patience:
        return None
    return {
        "where": "--early_stopping_patience",
        "patience": facts.patience,
        "needed": facts.patience + 1,
        "updates": facts.updates,
        "evaluations": facts.evaluations,
        "fitting": fitting(facts),
    }


def fitting(facts: PlanFacts) -> Text:
    """An interval that leaves room for the patience, if the run has that room."""
    every = evaluate_every(facts.updates, facts.patience)
    if every >= 1:
        return Text(f"`--eval_steps {every}`", f"`--eval_steps {every}`")
    return Text(
        "The run is too short for it: remove `--early_stopping_patience`.",
        "训练太短，用不上早停：请去掉 `--early_stopping_patience`。",
    )


GUARD = Guard(
    code="S006",
    name="patience-cannot-trigger",
    title=Text("early stopping cannot trigger", "早停不可能触发"),
    stops=True,
    facts=PlanFacts,
    check=check,
    what=Text(
        "A patience of {patience} needs {needed} evaluations before the last of {updates} "
        "updates; there are {evaluations}.",
        "早停容忍次数（`--early_stopping_patience`）{patience} 需要在最后一次更新（共 "
        "{updates} 次）之前有 {needed} 次评估，实际只有 {evaluations} 次。",
    ),
    why=Text(
        "The run would go on to its end, however bad it became.",
        "早停不会触发：不管变得多差，训练都会一直跑到底。",
    ),
    fix=Text("{fitting}", "{fitting}"),
)
