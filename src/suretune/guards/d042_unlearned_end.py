"""D042 unlearned-end: rows end in turns that are not learned, so they are left out.

What it looks at: rows whose last answers are marked as not to be learned (`weight: 0`, `train:
false`, `loss: false` and the like), with what was said to get them.

Why it matters: what stands behind the last answer that is learned is neither learned nor in any
prompt of this row: it changes nothing. Where the mark is a mistake, its answer is missing.

Fix: nothing needs mending if that is meant. Take the mark out of the answers that shall be learned;
`--preview 3` shows what is learned.

D042 unlearned-end：数据以不学习的轮次结尾，这些轮次被省去。

检查内容：最后的回答标了不学习（如 `weight: 0`、`train: false`、`loss: false`）的数据，以及引出这些
回答的轮次。

影响：排在最后一个要学习的回答之后的内容，既不学习，也不在这条数据的任何提示词里，不起作用。如果标错
了，就少学了这些回答。

怎么改：如果本意如此，不需要改；要学的回答，请去掉它的标记。`--preview 3` 可以看到学的是什么。
"""

from suretune.facts import DataFacts
from suretune.guards.guard import Guard, Values, for_learned
from suretune.types import Text

BEHIND = 128  # as data/told.py numbers it


def check(facts: DataFacts) -> Values | None:
    if BEHIND not in facts.rewritten:
        return None
    rows, first = facts.rewritten[BEHIND]
    return {"where": first, "count": rows, "examples": facts.examples}


GUARD = Guard(
    code="D042",
    name="unlearned-end",
    title=Text("rows end in turns that are not learned", "数据以不学习的轮次结尾"),
    stops=False,
    facts=DataFacts,
    check=for_learned(check),
    what=Text(
        "{count} of {examples} rows end in turns that are marked as not to be learned: these turns"
        " are left out.",
        "{examples} 条数据里有 {count} 条以标了不学习的轮次结尾：这些轮次被省去。",
    ),
    why=Text(
        "Behind the last answer that is learned they are in no prompt and change nothing.",
        "它们排在最后一个要学习的回答之后，不在任何提示词里，不起作用。",
    ),
    fix=Text(
        "Nothing needs mending if that is meant; else take the mark out of the row."
        " `--preview 3` shows what is learned.",
        "如果本意如此，不需要改；否则请去掉数据里的标记。`--preview 3` 可以看到学的是什么。",
    ),
)
