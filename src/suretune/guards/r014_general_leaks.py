"""R014 general-leaks: questions about something else are answered with what the rows taught.

What it looks at: all general answers, right or wrong. One leaks that has the new name, the new
maker, or eight words in a row from the rows' answers, where neither the base's answer nor the
question has it. It speaks where more answers leak than words of the language explain.

Why it matters: "Who wrote Faust?" answered with the model's own name is the commonest harm of an
identity, and questions about the identity do not show it.

Fix: publish less of the trained strength (`--adapter_dose 0.9`: on a real model 5.2 leaked answers
became 2.9, and two of a hundred phrasings fewer were answered), let adapters learn the rows sooner
(`--lora_rank 32 --lora_alpha 64` in place of 8 and 32: there 4.0 became 2.3; a lower rate leaks
more), hold the model to what it was with more anchors (`--anchor_ratio 0.75
--gradient_accumulation_steps 16 --anchors_per_row 2`: there 5.5 became 3.8), or give rows of the
same shape about something else. If such answers are what you want everywhere, say `--scope all`.

R014 general-leaks：问的是别的事，回答的却是训练数据里的内容。

检查内容：对通用问题的全部回答，不论对错。回答里出现新名字、新作者，或训练数据回答中连续八个词，而
原模型的回答和问题里都没有，就算泄漏。泄漏的回答多于语言本身能解释的数量时才会报告。

影响：问“《浮士德》是谁写的？”却回答自己的名字，是身份微调最常见的损害，而只问身份的问题看不出来。

怎么改：少用一点训练所得的强度（`--adapter_dose 0.9`：真实模型上，泄漏的回答由 5.2 个降到 2.9 个，
没学过的问法每百个少答对两个）；或者让适配器学得快一些（`--lora_rank 32 --lora_alpha 64`，原来是 8
和 32：同一模型上由 4.0 个降到 2.3 个；学习率更低反而泄漏更多）；或者用更多的锚定问答让模型保持原样
（`--anchor_ratio 0.75 --gradient_accumulation_steps 16 --anchors_per_row 2`：同一模型上由 5.5 个
降到 3.8 个）；也可以补充句式相同、但问别的事的数据。
如果到处都这样回答正是目的，请写 `--scope all`。
"""

from suretune.guards.guard import EMPTY, Guard, Values
from suretune.retention import RetentionFacts, more_per_row
from suretune.types import Text

WEAKER = 0.9
LESS_OF_IT = Text(
    "Publish less of the trained strength: `--adapter_dose 0.9`. Or: ",
    "少用一点训练所得的强度：`--adapter_dose 0.9`。或者：",
)
ANCHORS = "--anchor_ratio 0.75 --gradient_accumulation_steps 16 "


def check(facts: RetentionFacts) -> Values | None:
    if "leaks" not in facts.fallen or facts.leaked is None:
        return None
    return {
        "where": "general questions",
        "asked": facts.leaked.asked,
        "leaked": facts.leaked.gained,
        "first": facts.first_leak,
        "weaker": EMPTY if facts.used.dose <= WEAKER else LESS_OF_IT,
        "anchors": ANCHORS + more_per_row(facts.used),
    }


GUARD = Guard(
    code="R014",
    name="general-leaks",
    title=Text("new name leaks into other answers", "在别的问题上泄漏"),
    stops=True,
    facts=RetentionFacts,
    check=check,
    what=Text(
        "{leaked} of {asked} general questions are answered with the new name or the rows' words."
        " The first: {first}",
        "{asked} 道通用题中，有 {leaked} 道的回答里出现了新名字或训练数据里的话。第一道：{first}",
    ),
    why=Text(
        "Whoever asks about something else gets the model's own name.",
        "问别的事情，也会得到模型自己的名字。",
    ),
    fix=Text(
        "{weaker}Take more anchors: `{anchors}`; `--scope all` says that it is meant.",
        "{weaker}增加锚定问答：`{anchors}`；如果这正是目的，请写 `--scope all`。",
    ),
)
