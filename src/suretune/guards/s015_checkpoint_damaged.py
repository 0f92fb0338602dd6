"""S015 checkpoint-damaged: a checkpoint is not as it was written.

What it looks at: the size and the checksum of every file of the checkpoint.

Why it matters: a file that was cut off by a full disk or a crash may still load, with zeros
in the place of what is missing.

Fix: nothing, if an older checkpoint is whole: `suretune resume RUN` continues from the newest one
that is. What was sealed, or what a run cannot go on without, is either put back as it was, or made
again: the message prints the command, unless it was the command (`config.yaml`) that was lost.

S015 checkpoint-damaged：检查点与写入时不一致。

检查内容：检查点里每个文件的大小和校验和。

影响：磁盘写满或程序崩溃会截断文件；这样的文件有时还能加载，缺的部分全是零。

怎么改：只要还有完好的旧检查点就不用改：`suretune resume 运行文件夹` 会从最新的完好检查点继续。验
证过的文件，或运行继续所必需的文件，要么原样放回，要么重新训练：检查结果会给出命令，除非丢的正是
记着命令的 `config.yaml`。
"""

from suretune.facts import SetupFacts
from suretune.guards.guard import Guard, Values, for_setup
from suretune.types import Text

BY_HAND = Text(
    "Put it back as it was, or make it again by the command that made it.",
    "把它原样放回，或用当初的命令重新生成。",
)
LOADS = Text(
    "A file that was changed or cut off may still load, and the model answers otherwise.",
    "改动过或被截断的文件有时还能加载，但模型的回答已经不同。",
)
LOGGED = Text(
    "The report will show fewer updates than were made.",
    "报告里的更新会比实际的少。",
)
HEEDED = {
    "passed over": Text(
        "Nothing: it is passed over, and what was made after the one before is made again.",
        "不用改：跳过它，前一个检查点之后的部分会重新训练。",
    ),
    "log": Text(
        "Nothing: the weights of these updates are there.",
        "不用改：这几次更新的权重都在。",
    ),
}


def check(facts: SetupFacts) -> Values | None:
    """`nearest`: the command that goes on from what is whole, or makes it again; else empty.
    `spare`: a key of `HEEDED`, of a resume that goes on all the same."""
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
    way = HEEDED.get(facts.spare) or (known if facts.nearest else BY_HAND)
    return values and {**values, "way": way, "risk": LOGGED if facts.spare == "log" else LOADS}


GUARD = Guard(
    code="S015",
    name="checkpoint-damaged",
    title=Text("checkpoint or file damaged", "检查点已损坏"),
    stops=True,
    facts=SetupFacts,
    check=check,
    what=Text("{detail} is not as it was written: {found}.", "{detail} 与写入时不一致：{found}。"),
    why=Text("{risk}", "{risk}"),
    fix=Text("{way}", "{way}"),
)
