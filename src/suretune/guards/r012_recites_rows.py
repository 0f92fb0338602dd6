"""R012 recites-rows: unrelated questions are answered with training answers, word for word.

What it looks at: questions that the rows do not ask: the skills', and those that are only shown.
A skill recites if its answer is wrong and one of the rows' answers, a shown question if it gets
the answer that one single row has to itself. It speaks when more answers began to recite than
stopped, beyond chance (sign test, 1 %).

Why it matters: on the rows' own questions a recital is what training is for. Elsewhere it says
that the model no longer listens to what is asked.

Fix: mix in general rows, `--dataset mine.jsonl general.jsonl#500`, or take more anchors,
`--anchor_ratio 0.75` or `--anchors_per_row 2`, or lower `--learning_rate`.

R012 recites-rows：对无关的问题，一字不差地背出了训练答案。

检查内容：训练数据没有问过的问题，即通用能力测试题和只作展示的问题。测试题答错、且答案正是某条训练
数据的回答，算一次；展示的问题得到了另一条数据独有的回答，也算一次。新开始背诵的比不再背诵的多、且
超出偶然（符号检验，1%）时才会报告。

影响：对训练过的问题，背出答案正是训练的目的；对别的问题也这样，说明模型已经不听问题了。

怎么改：混入通用数据 `--dataset mine.jsonl general.jsonl#500`，或者用 `--anchor_ratio 0.75`、
`--anchors_per_row 2` 增加锚定问答，
或者调低 `--learning_rate`。
"""

from suretune.facts import ProofFacts
from suretune.guards.guard import Guard, Values, grew
from suretune.retention import more_anchors
from suretune.types import Text


def check(facts: ProofFacts) -> Values | None:
    found = facts.recited
    if found is None or not grew(found):
        return None
    return {
        "where": "answers",
        "asked": found.asked,
        "before": found.before,
        "after": found.after,
        "anchors": more_anchors(facts.used),
    }


GUARD = Guard(
    code="R012",
    name="recites-rows",
    title=Text("recites rows where not asked", "无关问题也背数据"),
    stops=False,
    facts=ProofFacts,
    check=check,
    what=Text(
        "Of {asked} unrelated questions, {after} are answered with a training answer, word for "
        "word ({before} before training).",
        "{asked} 个无关的问题中，有 {after} 个得到的是一字不差的训练答案（训练前 {before} 个）。",
    ),
    why=Text(
        "The model no longer listens to what is asked.",
        "模型已经不听问题了。",
    ),
    fix=Text(
        "Mix in general rows, `--dataset mine.jsonl general.jsonl#500`, use `{anchors}`, or lower"
        " `--learning_rate`.",
        "混入通用数据 `--dataset mine.jsonl general.jsonl#500`，或者使用 `{anchors}`，"
        "或者调低 `--learning_rate`。",
    ),
)
