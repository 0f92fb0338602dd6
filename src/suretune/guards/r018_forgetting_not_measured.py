"""R018 forgetting-not-measured: the base answers too few general questions for a loss to be seen.

What it looks at: how many general questions the base answers rightly. With fewer than 60, half of
them could be lost without a trace. The exit status is 8: what was learned is proven, what was
forgotten is not known. That `--general_questions` asks for fewer is a note before training.

Why it matters: a seal says that the model kept what it could do. Here nobody knows.

Fix: leave out `--general_questions` where it was given. Else give questions that this model can
answer: `--skills FILE`, or rows with short answers as `--general FILE#500`. `--ignore R018` seals
without, and the seal says so.

R018 forgetting-not-measured：原模型答对的通用问题太少，忘掉多少看不出来。

检查内容：原模型答对了多少道通用题。少于 60 道时，丢掉一半也看不出痕迹。退出码是 8：学会了什么已经
验证，忘掉了什么不知道。`--general_questions` 写得比这还少时，训练之前就会提示。

影响：验证通过，意味着模型保住了原来的能力；这里没有测出来，因此不算通过。

怎么改：写了 `--general_questions` 就去掉它；否则提供这个模型答得上来的题：`--skills FILE`，
或用 `--general FILE#500` 给出回答简短的数据。`--ignore R018` 可以不测就通过，验证记录里会写明。
"""

from suretune.guards.guard import Guard, Values, filled
from suretune.retention import RetentionFacts
from suretune.types import Text

AHEAD = Text(
    "At most {asked} general questions are asked, and 60 right answers of the base are needed to"
    " see a loss: the run will end without a seal.",
    "最多只问 {asked} 道通用题，而原模型至少要答对 60 道才看得出损失：训练结束时不会通过验证。",
)
AFTER = Text(
    "Of {asked} general questions the base answers {right} in kinds that it can do; 60 are needed"
    " to see a loss.",
    "{asked} 道通用题中，原模型在它会做的类别里只答对了 {right} 道；要看出损失，至少需要 60 道。",
)


def check(facts: RetentionFacts) -> Values | None:
    if facts.enough:
        return None
    told = AHEAD if facts.ahead else AFTER
    values = {"asked": facts.asked, "right": facts.before}
    return {"where": "general questions", "told": filled(told, values)}


GUARD = Guard(
    code="R018",
    name="forgetting-not-measured",
    title=Text("forgetting could not be measured", "无法测出遗忘程度"),
    stops=True,
    facts=RetentionFacts,
    check=check,
    what=Text("{told}", "{told}"),
    why=Text(
        "What the model has forgotten is not known, so there is no seal.",
        "不知道模型忘掉了什么，因此不算验证通过。",
    ),
    fix=Text(
        "Leave out `--general_questions` where it was given; else give questions that it can"
        " answer, `--skills FILE` or `--general FILE#500`. `--ignore R018` seals without.",
        "写了 `--general_questions` 就去掉它；否则用 `--skills FILE` 或 `--general FILE#500`"
        " 提供它答得上来的题。`--ignore R018` 可以不测就通过。",
    ),
)
