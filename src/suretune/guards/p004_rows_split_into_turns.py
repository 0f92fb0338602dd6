"""P004 rows-split-into-turns: rows with several answers were split into one sample per answer.

What it looks at: whether the template writes earlier turns differently once another turn follows,
as templates of reasoning models do.

Why it matters: in one sequence the model would learn the earlier answers behind a
prompt that it never gets. Split, each answer stands behind its true prompt; the tokens
before it are read more than once.

Fix: nothing needs mending. `--preview 5` shows how the first rows were split.

P004 rows-split-into-turns：含有多个回答的数据被拆开，每个回答一个样本。

检查内容：后面再有一轮时，模板会不会改写前面的轮次；推理模型的模板常常如此。

影响：放在同一个序列里，前面的回答就接在一段实际不会出现的提示词后面。拆开之后，每个回答都接着真实
的提示词，只是它前面的 token 会多读几遍。

怎么改：不需要改。`--preview 5` 可以看到前几条是怎么拆的。
"""

from suretune.facts import DataFacts
from suretune.guards.guard import Guard, Values
from suretune.types import Text


def check(facts: DataFacts) -> Values | None:
    if facts.split_rows <= 0:
        return None
    return {
        "where": facts.flag,
        "split": facts.split_rows,
        "examples": facts.examples,
        "samples": facts.samples,
    }


GUARD = Guard(
    code="P004",
    name="rows-split-into-turns",
    title=Text("rows split, one sample per answer", "已按回答拆分数据"),
    stops=False,
    facts=DataFacts,
    check=check,
    what=Text(
        "{split} of {examples} rows were split into one sample per "
        "answer, {samples} samples in all.",
        "{examples} 条数据里有 {split} 条按回答拆开，总共 {samples} 个样本。",
    ),
    why=Text(
        "The template rewrites earlier turns, so they cannot share a sequence with later ones.",
        "模板会改写前面的轮次，它们不能和后面的轮次放在同一个序列里。",
    ),
    fix=Text(
        "Nothing needs mending; `--preview 5` shows the result.",
        "不需要改；`--preview 5` 可以看到拆分的结果。",
    ),
)
