"""S039 bases-differ: runs that shall be compared were not trained on one base.

What it looks at: the fingerprint of the base that is stored with each adapter; a base that was
packed into 4 bits (`--train_type qlora`) has other numbers than its files.

Why it matters: beside each other, answers show what each run changed. Of two bases they would show
how the bases differ, and one of the adapters would be put on weights that it was not made for.

Fix: compare the runs that share a base, as the message says.

S039 bases-differ：要比较的运行用的不是同一个原模型。

检查内容：与每个适配器一起保存的原模型指纹；压缩成 4 位的原模型（`--train_type qlora`）数值与文件里
的不同。

影响：并排比较是为了看每个运行改变了什么。如果原模型不同，看到的就是原模型之间的差别，而且其中一个
适配器会被装到并非为它准备的权重上。

怎么改：按检查结果，只比较原模型相同的运行。
"""

from suretune.facts import SetupFacts
from suretune.guards.guard import Guard, Values, word
from suretune.types import Text


def check(facts: SetupFacts) -> Values | None:
    if facts.problem != "bases-differ":
        return None
    odd, base = facts.detail, facts.spare
    found = word(facts.found)
    what = Text(
        f"{odd} was trained on {found}, and the others would be asked on {base}: these are"
        " different weights.",
        f"{odd} 是在 {found} 上训练的，而其他运行用的是 {base}：两者的权重不同。",
    )
    if facts.hint:
        what = Text(
            f"{odd} was trained on other numbers than those of {base} on which the others would be"
            f" asked: {facts.hint.en}.",
            f"{odd} 训练时所用的数值，与其他运行所用的 {base} 不同：{facts.hint.zh}。",
        )
    return {"where": odd, "what": what, "command": facts.nearest}


GUARD = Guard(
    code="S039",
    name="bases-differ",
    title=Text("runs of different bases", "运行的原模型不同"),
    stops=True,
    facts=SetupFacts,
    check=check,
    what=Text("{what}", "{what}"),
    why=Text(
        "Side by side, answers show what a run changed only if the base is one.",
        "只有原模型相同，并排比较才能看出每个运行改变了什么。",
    ),
    fix=Text(
        "`{command}`, and the others by a command of their own.",
        "`{command}`，其余的另用一条命令。",
    ),
)
