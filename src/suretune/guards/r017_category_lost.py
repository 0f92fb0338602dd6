"""R017 category-lost: one kind of general questions was lost.

What it looks at: each category (facts, sums, code, ...) in each language by itself, where the base
has at least 30 right answers. It speaks where more were lost than gained, beyond what chance brings
among so many categories (sign tests, Holm).

Why it matters: a model that lost its code, or its Chinese, hardly loses on average.

Fix: mix in rows of that kind, such as `--dataset mine.jsonl code.jsonl#500`, or halve
`--learning_rate`.

R017 category-lost：某一类通用问题答不上来了。

检查内容：每个类别（事实、计算、代码……）在每种语言里单独看，前提是原模型至少答对 30 题。丢失的比新
增的多、且超出这么多类别里偶然会出现的程度时才会报告（符号检验，Holm 校正）。

影响：只丢了代码、或只丢了中文的模型，平均分几乎不变。

怎么改：混入这一类的数据，例如 `--dataset mine.jsonl code.jsonl#500`，
或者把 `--learning_rate` 减半。
"""

from suretune.guards.guard import Guard, Values, some
from suretune.labels import asked_of
from suretune.retention import RetentionFacts
from suretune.types import Text


def check(facts: RetentionFacts) -> Values | None:
    lost = [cell for cell in facts.cells if f"{cell.category} {cell.lang}" in facts.fallen]
    if not lost:
        return None
    en = [f"{asked_of(c).en} {c.before} -> {c.after} of {c.asked}" for c in lost]
    zh = [f"{asked_of(c).zh}{c.asked} 题中 {c.before} -> {c.after}" for c in lost]
    told = Text(some(en).en, some(zh).zh.replace(", ", "、"))
    return {"where": "general questions", "lost": told}


GUARD = Guard(
    code="R017",
    name="category-lost",
    title=Text("one kind of question lost", "某一类能力丢失"),
    stops=True,
    facts=RetentionFacts,
    check=check,
    what=Text(
        "Right answers before and after training: {lost}.",
        "训练前后答对的题数：{lost}。",
    ),
    why=Text(
        "On average such a loss hardly shows, and whoever needs just this is lost.",
        "这样的损失平均下来几乎看不出来，可正需要它的人就用不了了。",
    ),
    fix=Text(
        "Mix in rows of that kind, `--dataset mine.jsonl that.jsonl#500`, or halve"
        " `--learning_rate`.",
        "混入这一类的数据：`--dataset mine.jsonl that.jsonl#500`，或者把 `--learning_rate` 减半。",
    ),
)
