"""S015 checkpoint-damaged: a checkpoint is not as it was written.

What it looks at: the size and the checksum of every file of the checkpoint.

Why it matters: a file that was cut off by a full disk or a crash may still load, with zeros
in the place of what is missing.

How to mend it: nothing, if an older checkpoint is whole: `suretune resume`
continues from the newest one that is.

S015 checkpoint-damaged：检查点与写入时不一致。

看什么：检查点里每个文件的大小和校验和。

为什么重要：磁盘写满或程序崩溃会截断文件；这样的文件有时还能加载，缺的部分全是零。

怎么改：只要还有完好的旧检查点就不用改：`suretune resume` 会从最新的完好检查点继续。
"""

from suretune.guards.guard import Guard, for_setup
from suretune.types import SetupFacts, Text

GUARD = Guard(
    code="S015",
    name="checkpoint-damaged",
    stops=True,
    facts=SetupFacts,
    check=for_setup("checkpoint-damaged"),
    what=Text("{detail} is damaged: {found}.", "{detail} 已损坏：{found}。"),
    why=Text(
        "A file that was cut off may load, with zeros in the place of what is missing.",
        "被截断的文件有时还能加载，缺的部分全是零。",
    ),
    fix=Text(
        "`suretune resume` continues from the newest checkpoint that is whole.",
        "`suretune resume` 会从最新的完好检查点继续。",
    ),
)
