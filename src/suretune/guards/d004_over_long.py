"""D004 over-long: more than one row in a hundred is longer than `--max_length`.

What it looks at: the length of every row in tokens, measured before training.

Why it matters: leaving out long rows changes what the data says, usually by losing its most
detailed answers. It has to be a decision.

Fix: raise the limit with `--max_length`, or decide to lose the rows with `--over_long drop`.
Packing does not help: a row longer than the limit does not fit into a pack either.

D004 over-long：超过 `--max_length` 的数据多于 1%。

检查内容：每条数据的 token 长度，在训练之前量好。

影响：去掉长数据会改变数据的内容，丢掉的往往是最详细的回答，所以必须由人来决定。

怎么改：用 `--max_length` 放宽上限；确定不要这些数据，就加 `--over_long drop`。打包（packing）
帮不上忙：比上限还长的数据同样装不进一个包。
"""

from suretune.facts import DataFacts
from suretune.guards.guard import Guard, Values, longer, too_many
from suretune.types import Text


def check(facts: DataFacts) -> Values | None:
    if facts.policy != "refuse" or not too_many(facts.over_long, facts.examples):
        return None
    return {
        "where": facts.first_over_long,
        "over_long": facts.over_long,
        "examples": facts.examples,
        "max_length": facts.max_length,
        "longest": facts.longest,
        "longer": longer(facts),
    }


GUARD = Guard(
    code="D004",
    name="over-long",
    title=Text("rows longer than the limit", "数据超过长度上限"),
    stops=True,
    facts=DataFacts,
    check=check,
    what=Text(
        "{over_long} of {examples} rows are longer than {max_length} tokens, the longest has "
        "{longest}; the first is {where}.",
        "{examples} 条数据里有 {over_long} 条超过 {max_length} 个 token，最长的有 "
        "{longest} 个；第一条是 {where}。",
    ),
    why=Text(
        "Without them the model would learn from other data than was given.",
        "去掉它们，模型学的就不再是你给的那份数据。",
    ),
    fix=Text(
        "{longer} `--over_long drop` leaves the long ones out, `--over_long cut` shortens them.",
        "{longer}`--over_long drop` 舍去超长的数据，`--over_long cut` 把它们截短。",
    ),
)
