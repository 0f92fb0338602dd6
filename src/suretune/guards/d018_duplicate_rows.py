"""D018 duplicate-rows: some rows are exact copies of others.

What it looks at: rows whose system prompt, question and answer are the
same, character by character; and files that `--dataset` names more than once, by whatever path.

Why it matters: a copy doubles the weight of its row. That may be meant; it may also
be a file that was joined twice.

Fix: name each file once; remove the copies of a JSON Lines file with
`awk '!seen[$0]++' old.jsonl > new.jsonl`.

D018 duplicate-rows：有些数据是完全相同的副本。

检查内容：系统提示词、问题和回答都逐字相同的数据；以及 `--dataset` 里重复写出的文件（不论写成
哪种路径）。

影响：多一份副本，这条数据的分量就加倍。可能是有意的，也可能是同一个文件拼了两次。

怎么改：每个文件只写一次；JSON Lines 文件可以这样去重：`awk '!seen[$0]++' old.jsonl > new.jsonl`。
"""

from suretune.facts import DataFacts
from suretune.guards.guard import Guard, Values, some
from suretune.types import Text


def check(facts: DataFacts) -> Values | None:
    if facts.given_twice:
        return {"where": facts.flag, **_given_twice(facts)}
    if facts.duplicates <= 0:
        return None
    duplicates, rows, pairs = facts.duplicates, facts.once, some(facts.duplicate_rows)
    what = Text(
        f"{duplicates} of {rows} rows are exact copies of others: {pairs.en}.",
        f"{rows} 条数据里有 {duplicates} 条与别的完全相同：{pairs.zh}。",
    )
    return {"where": facts.flag, "said": what, "cure": CURE}


def _given_twice(facts: DataFacts) -> Values:
    """To take rows out of a file that is read twice would lose them."""
    names = ", ".join(f"`{word}`" for word in facts.given_twice)
    what = Text(
        f"{names}: other words of `{facts.flag}` name these files already,"
        f" so {facts.given_rows} rows are read once more.",
        f"{names}：`{facts.flag}` 里已经写过这些文件，有 {facts.given_rows} 条数据又读了一遍。",
    )
    cure = Text(
        f"Name each file once: `{facts.given_once}`.", f"每个文件只写一次：`{facts.given_once}`。"
    )
    return {"said": what, "cure": cure}


CURE = Text(
    "If they are not meant, take one of each pair out of its file; `suretune explain D018` has "
    "a command for JSON Lines.",
    "如果不是有意的，请从文件里去掉每对中的一条；JSON Lines 可用的命令见 `suretune explain D018`。",
)


GUARD = Guard(
    code="D018",
    name="duplicate-rows",
    title=Text("rows that are exact copies", "有完全相同的数据"),
    stops=False,
    facts=DataFacts,
    check=check,
    what=Text("{said}", "{said}"),
    why=Text("Each copy adds to the weight of its row.", "每多一份副本，那条数据的分量就重一分。"),
    fix=Text("{cure}", "{cure}"),
)
