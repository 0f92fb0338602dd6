"""D003 nothing-to-learn: not one token of the data would be learned.

What it looks at: the samples that came out of all rows, and the tokens
in them that the loss counts.

Why it matters: a run over nothing ends without an error, saves an adapter,
and the model answers as before.

Fix: where every row is too long, `--max_length`; else every row that was
left out is named with its reason.

D003 nothing-to-learn：整份数据里没有一个会被学习的 token。

检查内容：所有数据最后得到多少样本，其中有多少 token 计入损失。

影响：空跑的训练不会报错，照样保存适配器，模型的回答却和原来一样。

怎么改：如果每条都超长，就加大 `--max_length`；否则没有用上的数据和原因都会逐条列出。
"""

from suretune.facts import DataFacts
from suretune.guards.guard import Guard, Values, longer
from suretune.types import Text

TOLD = Text(
    "Each row that was left out is named above with what mends it; `--on_bad_row refuse` stops at"
    " them.",
    "没有用上的每条数据和改法都列在上面；加上 `--on_bad_row refuse` 遇到它们就停下。",
)


NONE_DRAWN = Text(
    "No row was left out as faulty: none was drawn. A name that ends in `#0` takes no row; leave"
    " `#0` out.",
    "没有数据因为出错而去掉，而是一条也没有抽取：`#0` 结尾的写法表示一条也不取，请去掉 `#0`。",
)


def _cure(facts: DataFacts) -> Text:
    if facts.over_long and facts.over_long >= facts.examples:
        return longer(facts)
    return TOLD if facts.rejected or facts.examples or not facts.rows else NONE_DRAWN


def check(facts: DataFacts) -> Values | None:
    if facts.samples > 0 and facts.learned > 0:
        return None
    if facts.over_long and facts.policy == "refuse":  # D004 speaks of those
        return None
    return {
        "where": facts.flag,
        "fix": _cure(facts),
        "rows": facts.rows,
        "rejected": facts.rejected,
        "samples": facts.samples,
        "learned": facts.learned,
    }


GUARD = Guard(
    code="D003",
    name="nothing-to-learn",
    title=Text("no token to learn", "没有可学的内容"),
    stops=True,
    facts=DataFacts,
    check=check,
    what=Text(
        "{rows} rows were read and {rejected} rejected; {samples} samples came out, "
        "with {learned} tokens to learn.",
        "读入 {rows} 条数据，其中 {rejected} 条不可用；得到 {samples} 个样本，"
        "可学习的 token 有 {learned} 个。",
    ),
    why=Text(
        "The run would end without an error and the model would be the same as before.",
        "训练会照常结束，模型却没有任何变化。",
    ),
    fix=Text("{fix}", "{fix}"),
)
