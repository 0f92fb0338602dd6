"""S013 changed-since: the data or the configuration has changed since the run was interrupted.

What it looks at: the fingerprints of the data, the base and every
setting, as stored in the run folder.

Why it matters: the second half would continue another run than the first half began, and
the result could not be repeated.

Fix: undo the changes that the message lists, or begin a new run in another `--output_dir`.

S013 changed-since：训练中断之后，数据或配置变了。

检查内容：运行文件夹里记下的数据、原模型和各项设置的指纹。

影响：中断前后就不是同一次训练，结果也无法重现。

怎么改：撤销检查结果列出的改动，或者换一个 `--output_dir` 重新开始。
"""

from suretune.facts import SetupFacts
from suretune.guards.guard import Guard, Values, for_setup
from suretune.types import Text

PARTS = {
    "plan (rows or flags)": "训练计划（数据或参数）",
    "base": "原模型",
    "probes": "验证问题",
    "skills": "通用能力测试题",
    "rows": "数据",
    "flags": "参数",
}


def check(facts: SetupFacts) -> Values | None:
    values = for_setup("changed-since", "resume")(facts)
    if values is None:
        return None
    parts = facts.detail.split(", ")
    named = [PARTS.get(part) or f"`{part}`" for part in parts]
    detail = Text(", ".join(parts), "、".join(named))
    return {**values, "detail": detail, "run": values["found_path"]}


GUARD = Guard(
    code="S013",
    name="changed-since",
    title=Text("data or settings changed", "数据或设置变了"),
    stops=True,
    facts=SetupFacts,
    check=check,
    what=Text(
        "Since the run was interrupted, this has changed: {detail}.",
        "训练中断之后，这些发生了变化：{detail}。",
    ),
    why=Text(
        "The two halves would belong to different runs, and the result could not be repeated.",
        "中断前后就不是同一次训练，结果也无法重现。",
    ),
    fix=Text(
        "Undo the change and call `suretune resume {run}` again, or begin "
        "anew in another `--output_dir`.",
        "撤销改动后再运行 `suretune resume {run}`，或者换一个 `--output_dir` 重新开始。",
    ),
)
