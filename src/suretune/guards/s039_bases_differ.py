"""S039 bases-differ: runs that shall be compared were not trained on one base.

What it looks at: the fingerprint of the base that is stored with each adapter.

Why it matters: beside each other, answers show what each run changed. Of two bases they would show
how the bases differ, and one of the adapters would be put on weights that it was not made for.

Fix: compare the runs that share a base, as the message says.

S039 bases-differ：要比较的运行用的不是同一个原模型。

检查内容：与每个适配器一起保存的原模型指纹。

影响：并排比较是为了看每个运行改变了什么。如果原模型不同，看到的就是原模型之间的差别，而且其中一个
适配器会被装到并非为它准备的权重上。

怎么改：按检查结果，只比较原模型相同的运行。
"""

from suretune.facts import SetupFacts
from suretune.guards.guard import Guard, Values
from suretune.types import Text


def check(facts: SetupFacts) -> Values | None:
    if facts.problem != "bases-differ":
        return None
    return {
        "where": facts.detail,
        "detail": facts.detail,
        "found": facts.found,
        "base": facts.spare,
        "command": facts.nearest,
    }


GUARD = Guard(
    code="S039",
    name="bases-differ",
    title=Text("runs of different bases", "运行的原模型不同"),
    stops=True,
    facts=SetupFacts,
    check=check,
    what=Text(
        "{detail} was trained on {found}, and the others would be asked on {base}: these are"
        " different weights.",
        "{detail} 是在 {found} 上训练的，而其他运行用的是 {base}：两者的权重不同。",
    ),
    why=Text(
        "Side by side, answers show what a run changed only if the base is one.",
        "只有原模型相同，并排比较才能看出每个运行改变了什么。",
    ),
    fix=Text("`{command}`", "`{command}`"),
)
