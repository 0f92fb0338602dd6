"""R019 rows-not-better: on held-out rows the answers are not better than the base's.

What it looks at: held-out rows whose answers can be compared: the same JSON keys, with the same
values where these are labels, the same label, SQL that gives the same rows, the same short text. It
speaks where at least half of them can be, and neither more became right than wrong, beyond chance
(sign test, 5 %), nor nine of ten are right.

Why it matters: a loss that falls says that the rows' words became likelier, not that an answer is
right.

Fix: train longer (`--num_train_epochs`), give more rows, or hold out more of them
(`--split_dataset_ratio 0.2`), so that a difference can be seen.

R019 rows-not-better：在留出的数据上，回答并不比原模型好。

检查内容：回答可以比对的留出数据：JSON 的键相同（值是标签时，值也要相同）、标签相同、SQL 查出的结果
相同、短回答相同。至少一半可以比对时才判断：如果变对的并不比变错的多到超出偶然（符号检验，5%），也没
有达到九成正确，就会报告。

影响：损失下降只说明训练数据的词更容易出现了，不说明回答是对的。

怎么改：多训练几轮（`--num_train_epochs`），增加数据，
或者多留出一些（`--split_dataset_ratio 0.2`），差别才看得出来。
"""

from suretune.guards.guard import Guard, Values
from suretune.retention import RowsFacts
from suretune.types import Text

LEAST = 5  # with fewer not even all of them gained would be beyond chance
CHANCE = 0.05


def check(facts: RowsFacts) -> Values | None:
    if facts.compared < LEAST or facts.compared * 2 < facts.asked:
        return None
    good = facts.right_after >= facts.needed * facts.compared
    if (good and facts.right_after >= facts.right_before) or facts.p < CHANCE:
        return None
    return {
        "where": "held-out rows",
        "compared": facts.compared,
        "asked": facts.asked,
        "before": facts.right_before,
        "after": facts.right_after,
        "kinds": Text(
            ", ".join(kind.en for kind in facts.kinds), "、".join(kind.zh for kind in facts.kinds)
        ),
    }


GUARD = Guard(
    code="R019",
    name="rows-not-better",
    title=Text("held-out answers no better", "留出的回答没有变好"),
    stops=True,
    facts=RowsFacts,
    check=check,
    what=Text(
        "Of {asked} held-out rows {compared} can be compared ({kinds}): {before} were right before"
        " training and {after} after it.",
        "{asked} 条留出数据中，{compared} 条可以比对（{kinds}）：训练前对 {before} 条，"
        "训练后对 {after} 条。",
    ),
    why=Text("A loss that falls does not make an answer right.", "损失下降，并不等于回答正确。"),
    fix=Text(
        "Raise `--num_train_epochs`, give more rows, or hold out more:"
        " `--split_dataset_ratio 0.2`.",
        "调大 `--num_train_epochs`，增加数据，或者多留出一些：`--split_dataset_ratio 0.2`。",
    ),
)
