"""V017 nothing-tells: no question tells the tuned model from its base.

What it looks at: the recorded answers of both: they are the same to every probe of the run.

Why it matters: a server of the base alone would answer just so; nothing can be verified from
outside.

Fix: train anew with questions that the base answers otherwise: `--probes FILE`.

V017 nothing-tells：没有一个问题能区分微调后的模型与原模型。

检查内容：两者记录在案的回答：对这次运行的每个验证问题都相同。

影响：只提供原模型的服务器也会这样回答；从外部无法验证。

怎么改：用原模型会答得不同的问题重新训练：`--probes FILE`。
"""

from suretune.facts import ServedFacts
from suretune.guards.guard import Guard, for_served
from suretune.types import Text

GUARD = Guard(
    code="V017",
    name="nothing-tells",
    title=Text("no question tells adapter from base", "没有问题能区分两者"),
    stops=True,
    facts=ServedFacts,
    check=for_served("nothing-tells"),
    what=Text(
        "All {as_sealed} of {asked} answers are the seal's, and the base's too: {telling} "
        "tell the two apart.",
        "{asked} 个回答中 {as_sealed} 个与验证记录相同，但与原模型也相同："
        "能区分两者的有 {telling} 个。",
    ),
    why=Text(
        "A server of the base alone would answer just so.",
        "只提供原模型的服务器也会这样回答。",
    ),
    fix=Text(
        "Give the training questions that the base answers otherwise: `--probes FILE`.",
        "训练时给出原模型会答得不同的问题：`--probes FILE`。",
    ),
)
