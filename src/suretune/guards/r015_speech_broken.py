"""R015 speech-broken: after training, more general answers are broken speech.

What it looks at: general answers that go round in circles, are empty, are in another language than
the question, or have no end of turn (only where the rows' own answers are short), beside the same
of the base. It speaks when more answers broke than were mended, beyond chance; of the end of the
turn, when there are more than a fifth more than before: an answer may become longer.

Why it matters: a model that babbles passes every probe that looks for a word.

Fix: halve `--learning_rate`, or train with fewer `--num_train_epochs`; see with
`suretune check --dataset FILE` whether the end of the turn is among the learned tokens.

R015 speech-broken：训练后，有更多通用回答异常。

检查内容：对通用问题的回答里，复读、空白、换了语言或停不下来的有多少，与原模型相比（停不下来只在训练
数据的回答都很短时才看）。变坏的比变好的多、且超出偶然时才会报告；停不下来的，要比训练前多出五分之一
以上才算，因为回答可以变长。

影响：胡言乱语的模型照样能通过每一个只查词语的验证问题。

怎么改：把 `--learning_rate` 减半，或者减少 `--num_train_epochs`；
用 `suretune check --dataset FILE` 查看结束标记是否参与学习。
"""

from suretune.guards.guard import Guard, Values
from suretune.retention import SHORTER, RetentionFacts
from suretune.types import Text

BROKEN = Text("go round in circles, are empty or are in another language", "复读、空白或换了语言")
ENDLESS = Text("have no end of turn", "停不下来")


def check(facts: RetentionFacts) -> Values | None:
    names = [name for name in ("broken", "unended") if name in facts.fallen]
    if not names:
        return None
    found = facts.unended if names == ["unended"] else facts.broken
    if found is None:
        return None
    return {
        "where": "general questions",
        "asked": found.asked,
        "before": found.before,
        "after": found.after,
        "first": facts.first_broken,
        "how": ENDLESS if names == ["unended"] else BROKEN,
        "less": SHORTER[facts.used.length],
    }


GUARD = Guard(
    code="R015",
    name="speech-broken",
    title=Text("general answers broken", "通用回答异常"),
    stops=True,
    facts=RetentionFacts,
    check=check,
    what=Text(
        "Of {asked} general answers, {after} {how} ({before} before training). The first: {first}",
        "{asked} 个通用回答中，有 {after} 个{how}（训练前 {before} 个）。第一个：{first}",
    ),
    why=Text(
        "A model that speaks like that cannot be used, even if it says the right name.",
        "回答异常的模型没法使用，哪怕它说对了名字。",
    ),
    fix=Text(
        "Halve `--learning_rate`, or train {less}.",
        "把 `--learning_rate` 减半，或者{less}。",
    ),
)
