"""R020 form-spread: general answers took on the form of the rows' answers.

What it looks at: where the rows' answers have one form (JSON, SQL, a few labels, a fixed opening),
how many general answers have it now that nobody asked for it, beside the base's. It speaks when
more took it on than lost it, beyond chance.

Why it matters: 120 rows with JSON answers can make a model answer everything in JSON.

Fix: give rows of other kinds beside them, `--dataset mine.jsonl general.jsonl#500`, or train
less. If all answers shall have this form, say `--scope all`.

R020 form-spread：通用回答也变成了训练数据回答的样子。

检查内容：训练数据的回答有统一的形式时（JSON、SQL、几个固定标签、固定的开头），有多少通用回答在没
人要求的情况下也变成了这种形式，与原模型相比。变成的比变回的多、且超出偶然时才会报告。

影响：120 条 JSON 回答，就能让模型对一切问题都回答 JSON。

怎么改：加入其他类型的数据 `--dataset mine.jsonl general.jsonl#500`，或者少训练一点。
如果就是要所有回答都用这种形式，请写 `--scope all`。
"""

from suretune.guards.guard import Guard, Values
from suretune.retention import RetentionFacts
from suretune.types import Text


def check(facts: RetentionFacts) -> Values | None:
    if "form" not in facts.fallen or facts.formed is None:
        return None
    return {
        "where": "general questions",
        "form": Text(*facts.form),
        "asked": facts.formed.asked,
        "before": facts.formed.before,
        "after": facts.formed.after,
        "first": facts.first_formed,
    }


GUARD = Guard(
    code="R020",
    name="form-spread",
    title=Text("form of the rows spreads", "回答形式扩散"),
    stops=True,
    facts=RetentionFacts,
    check=check,
    what=Text(
        "Of {asked} general answers {after} have the rows' form now ({form}), {before} had it"
        " before. The first: {first}",
        "{asked} 个通用回答中，有 {after} 个变成了训练数据的形式（{form}），训练前 {before} 个。"
        "第一个：{first}",
    ),
    why=Text(
        "The model answers in this form where nobody asked for it.",
        "没有人要求的时候，模型也用这种形式回答。",
    ),
    fix=Text(
        "Mix in other rows, `--dataset mine.jsonl general.jsonl#500`, or say `--scope all` if it is"
        " meant.",
        "混入其他数据：`--dataset mine.jsonl general.jsonl#500`；"
        "如果这正是目的，请写 `--scope all`。",
    ),
)
