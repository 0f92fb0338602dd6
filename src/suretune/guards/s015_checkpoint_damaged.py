"""S015 checkpoint-damaged: a checkpoint is not as it was written.

What it looks at: the size and the checksum of every file of the checkpoint.

Why it matters: a file that was cut off by a full disk or a crash may still load, with zeros
in the place of what is missing.

How to mend it: nothing, if an older checkpoint is whole: `suretune resume RUN` continues from the
newest one that is. What was sealed is either put back as it was, or made again: the message
prints the command.

S015 checkpoint-damaged：检查点与写入时不一致。

看什么：检查点里每个文件的大小和校验和。

为什么重要：磁盘写满或程序崩溃会截断文件；这样的文件有时还能加载，缺的部分全是零。

怎么改：只要还有完好的旧检查点就不用改：`suretune resume 运行文件夹` 会从最新的完好检查点继续。
已经封存的文件，要么原样放回，要么重新训练：提示会给出命令。
"""

from suretune.guards.guard import Guard, Values, for_setup
from suretune.types import SetupFacts, Text

OLDER = Text(
    "`suretune resume` continues from the newest checkpoint that is whole.",
    "`suretune resume` 会从最新的完好检查点继续。",
)


def check(facts: SetupFacts) -> Values | None:
    """`nearest`: the command that goes on from what is whole, or makes it again."""
    values = for_setup("checkpoint-damaged")(facts)
    goes_on = Text(
        f"`{facts.nearest}` continues from the newest checkpoint that is whole.",
        f"`{facts.nearest}` 会从最新的完好检查点继续。",
    )
    anew = Text(
        f"Put it back as it was, or make the run again: `{facts.nearest}`",
        f"把它原样放回，或重新训练：`{facts.nearest}`",
    )
    known = goes_on if facts.nearest.startswith("suretune resume") else anew
    return values and {**values, "way": known if facts.nearest else OLDER}


GUARD = Guard(
    code="S015",
    name="checkpoint-damaged",
    stops=True,
    facts=SetupFacts,
    check=check,
    what=Text("{detail} is damaged: {found}.", "{detail} 已损坏：{found}。"),
    why=Text(
        "A file that was cut off may load, with zeros in the place of what is missing.",
        "被截断的文件有时还能加载，缺的部分全是零。",
    ),
    fix=Text("{way}", "{way}"),
)
