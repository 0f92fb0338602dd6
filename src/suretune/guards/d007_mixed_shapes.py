"""D007 mixed-shapes: one file holds records of different shapes.

What it looks at: the shape of every record, file by file.

Why it matters: it is usually the trace of two files joined by mistake, or of
a field that some records lack.

Fix: keep one shape per file; if the mixture is meant, say so with `--mixed_shapes true`.

D007 mixed-shapes：一个文件里混有不同格式的记录。

检查内容：逐个文件检查每条记录的格式。

影响：这通常说明误把两个文件拼在了一起，或者部分记录缺了字段。

怎么改：一个文件只放一种格式；如果是有意混放，就加上 `--mixed_shapes true`。
"""

from suretune.facts import DataFacts
from suretune.guards.guard import Guard, Values, some
from suretune.types import Text


def check(facts: DataFacts) -> Values | None:
    if facts.allow_mixed or not facts.mixed_shapes:
        return None
    return {"where": facts.flag, "shapes": some(facts.mixed_shapes)}


GUARD = Guard(
    code="D007",
    name="mixed-shapes",
    title=Text("records of different shapes", "不同格式混在一起"),
    stops=True,
    facts=DataFacts,
    check=check,
    what=Text(
        "Records of different shapes are mixed: {shapes}.", "不同格式的记录混在了一起：{shapes}。"
    ),
    why=Text(
        "It often means that some records lost a field and will be read as something else.",
        "这往往说明有些记录缺了字段，会被当成另一种格式来读。",
    ),
    fix=Text(
        "If the mixture is meant: `--mixed_shapes true`.", "如果是有意混放：`--mixed_shapes true`。"
    ),
)
