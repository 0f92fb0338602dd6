"""S068 processes-differ: the processes of a run do not have the same base, or the same versions.

What it looks at: the fingerprint of the base's files, as each process finds them at the path that
the first one uses; and the versions of suretune, torch, transformers and PEFT.

Why it matters: the sum of gradients of two different models trains neither; other versions may
compute another gradient, or say it in words that this one does not know.

Fix: put the base where all machines see the same files, or download the same commit on each:
`suretune pull ID@COMMIT`. Install the same versions on each machine.

S068 processes-differ：各进程读到的原模型或所装的版本不一样。

检查内容：每个进程在主进程所用的路径上找到的原模型文件的指纹；
suretune、torch、transformers、PEFT 的版本。

影响：两个不同模型的梯度加在一起，哪一个也训练不好；
版本不同，算出的梯度可能不同，进程之间的消息也可能读不懂。

怎么改：把原模型放在所有机器都能看到的同一个地方，或在每台机器上下载同一个提交：
`suretune pull ID@COMMIT`。每台机器都装同样的版本。
"""

from suretune.facts import SetupFacts
from suretune.guards.guard import Guard, Values, for_setup
from suretune.types import Text


def check(facts: SetupFacts) -> Values | None:
    """`detail`: which process; `found`, `nearest`: what it has, and what the first has."""
    values = for_setup("processes-differ", "--model")(facts)
    return values and {**values, "first": facts.nearest}


GUARD = Guard(
    code="S068",
    name="processes-differ",
    title=Text("processes that differ", "各进程不一致"),
    stops=True,
    facts=SetupFacts,
    check=check,
    what=Text(
        "Process {detail} differs from the first one: {found}, not {first}.",
        "有进程与主进程不一致：{detail}；它的是{found}，而不是 {first}。",
    ),
    why=Text(
        "Gradients of two models, or of two ways to compute them, do not add up to one.",
        "不同的模型或不同版本算出的梯度，加起来没有意义。",
    ),
    fix=Text(
        "Put the base where all machines see the same files, or fetch the same commit on each:"
        " `suretune pull ID@COMMIT`. Install the same versions on each.",
        "把原模型放在所有机器都能看到的地方，或在每台机器上下载同一个提交："
        "`suretune pull ID@COMMIT`。每台机器都装同样的版本。",
    ),
)
