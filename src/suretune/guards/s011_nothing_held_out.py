"""S011 nothing-held-out: evaluation was asked for, but no row is held out for it.

What it looks at: whether any flag needs evaluation, and how many rows are held out.

Why it matters: without rows of its own, an evaluation would measure the training rows again.
Other tools switch it off at this point without a word.

Fix: hold out a tenth of the rows with `--split_dataset_ratio 0.1`, or give a file of your own:
`--val_dataset held_out.jsonl`.

S011 nothing-held-out：要求了评估，却没有留出用来评估的数据。

检查内容：有没有参数需要评估，以及留出了多少条数据。

影响：没有单独的数据，评估量到的只是训练数据本身。别的工具遇到这种情况会悄悄把评估关掉。

怎么改：用 `--split_dataset_ratio 0.1` 留出十分之一，或者另给一个文件：
`--val_dataset held_out.jsonl`。
"""

import math

from suretune.facts import PlanFacts
from suretune.guards.guard import Guard, Values
from suretune.types import Text


def check(facts: PlanFacts) -> Values | None:
    if not facts.eval_asked or facts.held_out > 0:
        return None
    return {
        "where": "--split_dataset_ratio",
        "held_out": facts.held_out,
        "all": facts.rows,
        "cure": _cure(facts.rows),
    }


def _cure(rows: int) -> Text:
    """The share that holds out a tenth of the rows, or one of a few."""
    if rows < 2:
        return Text(
            "One row cannot be divided: add rows, or leave evaluation out.",
            "一条数据没法再分：请增加数据，或去掉评估。",
        )
    if rows >= 10:
        return Text(
            "`--split_dataset_ratio 0.1` holds out a tenth of the rows.",
            "`--split_dataset_ratio 0.1` 会留出十分之一的数据。",
        )
    share = math.ceil(100 / rows) / 100
    return Text(
        f"`--split_dataset_ratio {share:g}` holds out one of {rows} rows.",
        f"`--split_dataset_ratio {share:g}` 会从 {rows} 条里留出一条。",
    )


GUARD = Guard(
    code="S011",
    name="nothing-held-out",
    title=Text("nothing held out to evaluate with", "没有留出评估数据"),
    stops=True,
    facts=PlanFacts,
    check=check,
    what=Text(
        "Evaluation was asked for, but {held_out} of {all} rows are held out.",
        "要求了评估，但 {all} 条数据里留出了 {held_out} 条。",
    ),
    why=Text(
        "Without rows of its own, an evaluation cannot see that the model only memorises.",
        "没有单独的数据，评估就看不出模型是不是在死记硬背。",
    ),
    fix=Text("{cure}", "{cure}"),
)
