"""D018 duplicate-rows: some rows are exact copies of others.

What it looks at: rows whose system prompt, question and answer are the
same, character by character.

Why it matters: a copy doubles the weight of its row. That may be meant; it may also
be a file that was joined twice.

Fix: remove the copies of a JSON Lines file with `awk '!seen[$0]++' old.jsonl > new.jsonl`.

D018 duplicate-rows：有些数据是完全相同的副本。

检查内容：系统提示词、问题和回答都逐字相同的数据。

影响：多一份副本，这条数据的分量就加倍。可能是有意的，也可能是同一个文件拼了两次。

怎么改：JSON Lines 文件可以这样去重：`awk '!seen[$0]++' old.jsonl > new.jsonl`。
"""

from suretune.facts import DataFacts
from suretune.guards.guard import Guard, Values, some
from suretune.types import Text


def check(facts: DataFacts) -> Values | None:
    if facts.duplicates <= 0:
        return None
    return {
        "where": "--dataset",
        "duplicates": facts.duplicates,
        "rows": facts.rows,
        "pairs": some(facts.duplicate_rows),
    }


GUARD = Guard(
    code="D018",
    name="duplicate-rows",
    title=Text("rows that are exact copies", "有完全相同的数据"),
    stops=False,
    facts=DataFacts,
    check=check,
    what=Text(
        "{duplicates} of {rows} rows are exact copies of others: {pairs}.",
        "{rows} 条数据里有 {duplicates} 条与别的完全相同：{pairs}。",
    ),
    why=Text("Each copy adds to the weight of its row.", "每多一份副本，那条数据的分量就重一分。"),
    fix=Text(
        "If they are not meant, take one of each pair out of its file; `suretune explain D018` has "
        "a command for JSON Lines.",
        "如果不是有意的，请从文件里去掉每对中的一条；"
        "JSON Lines 可用的命令见 `suretune explain D018`。",
    ),
)
