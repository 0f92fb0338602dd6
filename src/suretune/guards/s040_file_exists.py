"""S040 file-exists: a file of that name is already there, and is not written over.

What it looks at: the files that `init` would write, before it writes any.

Why it matters: rows that somebody has edited by hand are not to be had again.

Fix: write into another folder, as the message prints it, or go on with the files that are there.

S040 file-exists：同名文件已经存在，不会覆盖。

检查内容：`init` 要写的文件，在写之前就检查。

影响：手工改过的数据，覆盖了就找不回来。

怎么改：按检查结果里的命令写到别的文件夹，或者直接用已有的文件。
"""

from suretune.facts import SetupFacts
from suretune.guards.guard import Guard, Values, for_setup
from suretune.types import Text


def check(facts: SetupFacts) -> Values | None:
    values = for_setup("file-exists")(facts)
    onward = Text(
        f" To go on with what is there: `{facts.spare}`", f"继续用已有的文件：`{facts.spare}`"
    )
    spare = onward if facts.spare else Text("", "")
    return values and {**values, "elsewhere": facts.nearest, "onward": spare}


GUARD = Guard(
    code="S040",
    name="file-exists",
    title=Text("file already there", "同名文件已存在"),
    stops=True,
    facts=SetupFacts,
    check=check,
    what=Text("{detail} is already there.", "{detail} 已经存在。"),
    why=Text(
        "It is not written over: it may hold what somebody has edited.",
        "不会覆盖它：里面可能有手工改过的内容。",
    ),
    fix=Text(
        "Write into another folder: `{elsewhere}`{onward}",
        "写到别的文件夹：`{elsewhere}` {onward}",
    ),
)
