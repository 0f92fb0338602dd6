"""D006 unknown-shape: a record has none of the shapes that suretune reads.

What it looks at: the names of the record's fields.

Why it matters: a shape that is guessed at puts the question where the answer belongs.

Fix: say what the fields are, `--columns Frage=query Antwort=response`, or rename them to
`instruction` and `output`, `query` and `response`, `prompt` and `completion`, `messages`,
`conversations` or `text`. `input` and `system` are optional.

D006 unknown-shape：这条记录不属于 suretune 认识的任何一种格式。

检查内容：记录里各字段的名字。

影响：靠猜，就可能把问题当成回答来学。

怎么改：用 `--columns 问题=query 回答=response` 指明各字段，或者把字段改名为 `instruction` 和
`output`、`query` 和 `response`、`prompt` 和 `completion`，或者 `messages`、`conversations`、
`text`。`input` 和 `system` 可以没有。
"""

from suretune.guards.guard import EMPTY, Guard, Values, filled, for_fault, written
from suretune.types import Fault, Text

LOOK = Text(
    "Then look again with `suretune check --dataset {file}`.",
    "改好后用 `suretune check --dataset {file}` 再检查一遍。",
)


def check(fault: Fault) -> Values | None:
    values = for_fault("unknown-shape")(fault)
    if values is None:
        return None
    look = filled(LOOK, values)
    return {**values, "look": EMPTY if written(fault.hint) else look}  # the copy is what is read


GUARD = Guard(
    code="D006",
    name="unknown-shape",
    title=Text("shape of record not known", "不认识的数据格式"),
    stops=True,
    facts=Fault,
    check=check,
    what=Text(
        "{where} has no shape that suretune knows; what it holds is: {found}",
        "{where} 不是 suretune 认识的格式，里面是：{found}",
    ),
    why=Text(
        "Guessing could teach the model the questions in place of the answers.",
        "靠猜，可能会让模型学问题而不是学回答。",
    ),
    fix=Text(
        "{hint} {look}",
        "{hint}{look}",
    ),
)
