"""E002 export-unlike: what was written for another program is not what was proven.

What it looks at: the files of an export, read back: every tensor, the token ids of every question,
the logits of the merged weights.

Why it matters: other numbers or other token ids are another model, however well it seems to
answer.

Fix: nothing was kept under the name that was asked for. Export to another target, or
report what the message shows.

E002 export-unlike：为其他程序写出的内容，与验证过的不一样。

检查内容：把导出的文件读回来对照：每个张量、每个问题的 token 序列、合并后权重的 logits。

影响：数值不同或 token 不同，就是另一个模型，哪怕看起来回答得不错。

怎么改：所要的名字下没有留下任何文件。请导出到别的目标，或者报告提示里的内容。
"""

from suretune.facts import ExportFacts
from suretune.guards.guard import Guard, Values, run_path
from suretune.types import Text


def check(facts: ExportFacts) -> Values | None:
    if facts.problem != "export-unlike":
        return None
    to = "merged" if facts.target != "merged" else "vllm"
    return {
        "where": facts.target,
        "target": facts.target,
        "found": facts.found,
        "command": f"suretune export {run_path(facts.run)} --to {to}{facts.more}",
    }


GUARD = Guard(
    code="E002",
    name="export-unlike",
    title=Text("what was exported is not the same model", "导出结果与原来不一致"),
    stops=True,
    facts=ExportFacts,
    check=check,
    what=Text(
        "What was written for {target} is not what was proven: {found}.",
        "为 {target} 写出的内容与验证过的不一样：{found}。",
    ),
    why=Text(
        "It would be another model. Nothing was kept under that name.",
        "那会是另一个模型。所要的名字下没有留下任何文件。",
    ),
    fix=Text(
        "`{command}` carries it another way; please report this.",
        "可以换一种方式导出：`{command}`；并请报告这个问题。",
    ),
)
