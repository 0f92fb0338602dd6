"""E003 export-fails-probes: there, the model does not answer as in its proof.

What it looks at: the answers of the target itself to the questions of the run's proof, judged as
they were there.

Why it matters: what rounding or quantisation costs is seen in the answers only. A small model loses
more by it than a large one.

Fix: export with more bits a weight, as the message prints it. The files are there: they
are whole, and say in `export.json` what they answered.

E003 export-fails-probes：在目标上，模型的回答没有通过验证问题。

检查内容：目标自己对验证问题的回答，按验证时的标准判断。

影响：舍入和量化的代价只有在回答里才看得到；模型越小，损失越大。

怎么改：按提示用位数更多的格式导出。文件已经写出，是完整的，`export.json` 里记着它的回答。
"""

from suretune.facts import ExportFacts
from suretune.guards.guard import Guard, Values, run_path
from suretune.types import Text


def _with_more_bits(facts: ExportFacts) -> str:
    """Of those targets that quantise, the same one; of the others, what loses least."""
    to = facts.target if facts.target in ("gguf", "ollama") else "gguf"
    return f"suretune export {run_path(facts.run)} --to {to} --quant f32{facts.more}"


def check(facts: ExportFacts) -> Values | None:
    if facts.problem != "export-fails-probes":
        return None
    return {
        "where": facts.place,
        "target": facts.target,
        "found": facts.found,
        "passed": facts.passed,
        "asked": facts.asked,
        "then": facts.then,
        "command": _with_more_bits(facts),
    }


GUARD = Guard(
    code="E003",
    name="export-fails-probes",
    title=Text("the target fails the probes", "导出后没有通过验证问题"),
    stops=True,
    facts=ExportFacts,
    check=check,
    what=Text(
        "{target} itself passes {passed} of {asked} probes; in the run's proof, {then} passed. The"
        " first that fails: {found}",
        "{target} 自己回答时，{asked} 个验证问题通过 {passed} 个；验证时通过 {then} 个。"
        "第一个没通过的：{found}",
    ),
    why=Text(
        "What was written answers otherwise than what was proven.",
        "写出的模型与验证过的回答不同。",
    ),
    fix=Text("With more bits a weight: `{command}`", "用位数更多的格式导出：`{command}`"),
)
