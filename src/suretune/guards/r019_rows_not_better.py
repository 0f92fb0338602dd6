"""R019 rows-not-better: on held-out rows the answers are not better than the base's.

What it looks at: held-out rows whose answers can be compared: the same JSON keys, with the same
values where one is right (labels, numbers, dates and codes, what stands in the question), the same
label, SQL that gives the same rows, the same short text. It speaks where at least half of them can
be, and neither more became right than wrong, beyond chance (sign test, 5 %), nor nine of ten are
right. Else it speaks if of the answers that are neither known to be right nor the row's own more
than half are still the base's, to the letter.

Why it matters: a loss that falls says that the rows' words became likelier, not that an answer is
right, nor that there is another answer at all.

Fix: train longer (`--num_train_epochs`, or `--max_steps` or `--budget` where that decided how long
it was), give more rows, or hold out more of them (`--split_dataset_ratio 0.2`), so that a
difference can be seen.

R019 rows-not-better：在留出的数据上，回答并不比原模型好。

检查内容：回答可以比对的留出数据：JSON 的键相同（只有一种正确写法的值也要相同：标签、数字、日期和
编号、题目里出现过的文字）、标签相同、SQL 查出的结果相同、短回答相同。至少一半可以比对时才这样判断：
如果变对的并不比变错的多到超出偶然（符号检验，5%），也没有达到九成正确，就会报告。其余情况下，在既不能
确定是对的、也不等于数据里原有回答的那些里，如果超过一半与原模型一字不差，也会报告。

影响：损失下降只说明训练数据的词更容易出现了，不说明回答是对的，甚至不说明回答有任何变化。

怎么改：多训练一些（`--num_train_epochs`；由 `--max_steps` 或 `--budget` 决定长短的就调大它），
增加数据，或者多留出一些（`--split_dataset_ratio 0.2`），差别才看得出来。
"""

from suretune.guards.guard import Guard, Values, sentence
from suretune.retention import LONGER, RowsFacts, Used
from suretune.types import Text

LEAST = 5  # with fewer not even all of them gained would be beyond chance
CHANCE = 0.05
APART = Text(
    "hold out more: `--split_dataset_ratio 0.2`",
    "多留出一些：`--split_dataset_ratio 0.2`",
)


def check(facts: RowsFacts) -> Values | None:
    if facts.compared < LEAST or facts.compared * 2 < facts.asked:
        return _as_before(facts)
    if facts.p < CHANCE:
        return None
    good = facts.right_after >= facts.needed * facts.compared
    if good and facts.right_after >= facts.right_before:
        return _as_before(facts)
    kinds = Text(
        ", ".join(kind.en for kind in facts.kinds),
        "、".join(kind.zh for kind in facts.kinds),
    )
    found = Text(
        f"Of {facts.asked} held-out rows {facts.compared} can be compared ({kinds.en}):"
        f" {facts.right_before} were right before training and {facts.right_after} after it.",
        f"{facts.asked} 条留出数据中，{facts.compared} 条可以比对（{kinds.zh}）："
        f"训练前对 {facts.right_before} 条，训练后对 {facts.right_after} 条。",
    )
    return {"where": "held-out rows", "found": found, "fix": _fix(facts.used)}


def _as_before(facts: RowsFacts) -> Values | None:
    """Of the answers that nothing calls right, most are those that were there before."""
    if facts.open < LEAST or facts.same * 2 <= facts.open:
        return None
    found = Text(
        f"Of {facts.open} held-out answers that nothing shows to be right {facts.same} are still"
        " the base's, to the letter.",
        f"{facts.open} 个留出数据的回答没有依据说明是对的，其中 {facts.same} 个与原模型一字不差。",
    )
    return {"where": "held-out rows", "found": found, "fix": _fix(facts.used)}


def _fix(used: Used) -> Text:
    """What the run did not have; nothing is trained longer that was trained too much."""
    ways = [] if used.too_much else [LONGER[used.length]]
    ways.append(Text("give more rows", "增加数据"))
    if not used.apart:
        ways.append(APART)
    *others, last = ways
    en, zh = (", ".join(way.en for way in others), "，".join(way.zh for way in others))
    if not others:
        return sentence(last)
    comma = "," if len(others) > 1 else ""
    return sentence(Text(f"{en}{comma} or {last.en}", f"{zh}，或者{last.zh}"))


GUARD = Guard(
    code="R019",
    name="rows-not-better",
    title=Text("held-out answers no better", "留出的回答没有变好"),
    stops=True,
    facts=RowsFacts,
    check=check,
    what=Text("{found}", "{found}"),
    why=Text("A loss that falls does not make an answer right.", "损失下降，并不等于回答正确。"),
    fix=Text("{fix}", "{fix}"),
)
