"""D025 over-long-left-out: rows longer than `--max_length` were left out or cut, and are listed.

What it looks at: the rows over the limit, and what the length policy does with them.

Why it matters: no row may vanish without a trace: each one stands in
`ledger.jsonl` with its length.

Fix: `--max_length` with the longest length takes them all.

D025 over-long-left-out：超过 `--max_length` 的数据被舍去或截短，并已列出。

检查内容：超长的数据，以及长度策略如何处理它们。

影响：这些数据没有全部参与训练；每一条连同长度都记在数据清单（`ledger.jsonl`）里。

怎么改：把 `--max_length` 设成最长的那个长度，就能全部用上。
"""

from suretune.facts import DataFacts
from suretune.guards.guard import Guard, Values, longer, too_many
from suretune.types import Text

CUT, OUT = (
    Text("cut, the oldest turns first", "已截短（先去掉最早的轮次）"),
    Text("left out", "已舍去"),
)


def check(facts: DataFacts) -> Values | None:
    stops = facts.policy == "refuse" and too_many(facts.over_long, facts.examples)
    if stops or facts.over_long <= 0:
        return None
    return {
        "where": facts.first_over_long,
        "over_long": facts.over_long,
        "examples": facts.examples,
        "max_length": facts.max_length,
        "longest": facts.longest,
        "longer": longer(facts),
        "fate": CUT if facts.policy == "cut" else OUT,
    }


GUARD = Guard(
    code="D025",
    name="over-long-left-out",
    title=Text("over-long rows left out or cut", "超长数据已处理"),
    stops=False,
    facts=DataFacts,
    check=check,
    what=Text(
        "{over_long} of {examples} rows are longer than {max_length} tokens and were "
        "{fate}; the longest has {longest}.",
        "{examples} 条数据里有 {over_long} 条超过 {max_length} 个 token，"
        "{fate}；最长的有 {longest} 个。",
    ),
    why=Text(
        "What they say is not all learned; `ledger.jsonl` lists them row by row.",
        "这些内容没有全部学到；数据清单（`ledger.jsonl`）里逐条列出。",
    ),
    fix=Text("{longer}", "{longer}"),
)
