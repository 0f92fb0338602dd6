"""D020 old-identity: rows about the model's identity still name the maker of the base.

What it looks at: questions about who the model is, and the names of the
base and its maker in the answers.

Why it matters: a few such rows are enough for the old name to come back.

Fix: replace the old name in those rows, or delete them. An answer that denies the old name on
purpose can stay.

D020 old-identity：讲身份的数据里还出现了原模型厂商的名字。

检查内容：问“你是谁”一类问题的数据，看回答里有没有原模型或厂商的名字。

影响：只要有几条这样的数据，模型就会说出旧名字。

怎么改：把这些数据里的旧名字换掉，或者删掉这些数据。有意否认旧名字的回答可以保留。
"""

from suretune.facts import DataFacts
from suretune.guards.guard import Guard, Values, again, some
from suretune.types import Text


def check(facts: DataFacts) -> Values | None:
    if not facts.old_identity:
        return None
    rows = facts.old_identity
    return {"where": rows[0], "count": len(rows), "rows": some(rows), "again": again(rows[0])}


GUARD = Guard(
    code="D020",
    name="old-identity",
    title=Text("old name in identity rows", "数据里有旧名字"),
    stops=False,
    facts=DataFacts,
    check=check,
    what=Text(
        "Rows about identity that still name the maker of the base: {count} ({rows}).",
        "讲身份的数据里有 {count} 条还带着原模型厂商的名字（{rows}）。",
    ),
    why=Text("The old name would keep coming back in the answers.", "旧名字会不时出现在回答里。"),
    fix=Text(
        "Replace the old name in those rows, then look again with `{again}`.",
        "换掉这些数据里的旧名字，再用 `{again}` 检查。",
    ),
)
