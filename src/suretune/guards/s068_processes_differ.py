"""S068 processes-differ: the processes of a run do not have the same base.

What it looks at: the fingerprint of the base's files, as each process finds them at the path that
the first one uses.

Why it matters: the sum of gradients of two different models trains neither.

Fix: put the base where all machines see the same files, or download the same commit on each:
`suretune pull ID@COMMIT`.

S068 processes-differ：各进程读到的原模型不一样。

检查内容：每个进程在主进程所用的路径上找到的原模型文件的指纹。

影响：两个不同模型的梯度加在一起，哪一个也训练不好。

怎么改：把原模型放在所有机器都能看到的同一个地方；或在每台机器上下载同一个提交：
`suretune pull ID@COMMIT`。
"""

from suretune.facts import SetupFacts
from suretune.guards.guard import Guard, Values, for_setup
from suretune.types import Text


def check(facts: SetupFacts) -> Values | None:
    """`detail`: which process; `found`, `nearest`: its fingerprint, and that of the first."""
    values = for_setup("processes-differ", "--model")(facts)
    return values and {**values, "first": facts.nearest}


GUARD = Guard(
    code="S068",
    name="processes-differ",
    title=Text("processes with different bases", "各进程的原模型不同"),
    stops=True,
    facts=SetupFacts,
    check=check,
    what=Text(
        "Process {detail} finds another base at the same path: {found}, not {first}.",
        "第 {detail} 个进程在同一路径上读到的是另一个原模型：{found}，而不是 {first}。",
    ),
    why=Text(
        "The sum of two models' gradients trains neither.",
        "两个模型的梯度相加，哪一个也训练不好。",
    ),
    fix=Text(
        "Put the base where all machines see the same files, or fetch the same commit on each:"
        " `suretune pull ID@COMMIT`.",
        "把原模型放在所有机器都能看到的地方，或在每台机器上下载同一个提交："
        "`suretune pull ID@COMMIT`。",
    ),
)
