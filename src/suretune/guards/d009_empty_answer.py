"""D009 empty-answer: a row has no answer to learn.

What it looks at: the text of each answer, without the blanks around it and without its thought; and
whether it is what a spreadsheet or pandas writes where there is none (`#NAME?`, `nan`).

Why it matters: an empty answer teaches the model to stop before it has said anything.

Fix: write the answer or delete the row.

D009 empty-answer：这条数据没有可学的回答。

检查内容：去掉思考过程和首尾空白后的回答文本；以及它是不是程序在没有值时写下的东西（`#NAME?`、
`nan`）。

影响：空回答会教模型一句话不说就结束。

怎么改：补上回答，或者删掉这条数据。
"""

from suretune.guards.guard import Guard, Values, field, for_fault, sentence
from suretune.types import Fault, Text

DONE = Text("Write the answer or delete the row.", "请补上回答，或删掉这条数据。")


EMPTY_ANSWER = Text(
    "An empty answer teaches the model to end without a word.",
    "空回答会教模型一句话不说就结束。",
)
MARKED = Text("Nothing of the row would be learned.", "这条数据什么也学不到。")


def check(fault: Fault) -> Values | None:
    """The advice once, behind what a stage knows beside it."""
    values = for_fault("empty-answer")(fault)
    if values is None:
        return None
    hint, name = sentence(fault.hint), field(fault.field)
    said = Text(
        f"{values['where']}: {name.en} holds no answer.",
        f"{values['where']}：{name.zh}里没有回答。",
    )
    why = EMPTY_ANSWER
    if isinstance(fault.found, Text):  # there is one, and a mark of the row forbids to learn it
        found = fault.found
        said = Text(f"{values['where']}: {found.en}.", f"{values['where']}：{found.zh}。")
        why = MARKED
    values = {**values, "said": said, "why": why}
    if "delete the row" in hint.en:
        return {**values, "cure": hint}
    return {**values, "cure": Text(f"{hint.en} {DONE.en}", f"{hint.zh}{DONE.zh}")}


GUARD = Guard(
    code="D009",
    name="empty-answer",
    title=Text("no answer to learn", "没有可学的回答"),
    stops=True,
    facts=Fault,
    check=check,
    what=Text("{said}", "{said}"),
    why=Text("{why}", "{why}"),
    fix=Text(
        "{cure} Then look again with `suretune check --dataset {file}`.",
        "{cure}再用 `suretune check --dataset {file}` 检查。",
    ),
)
