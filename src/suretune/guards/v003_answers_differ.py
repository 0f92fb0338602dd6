"""V003 answers-differ: the engine that would serve does not answer as the seal recorded.

What it looks at: the answers to every probe of the proof, given by the very engine that would
serve, against those in the sealed `proof/result.json`. On a CPU in float32 all must be equal. On
another device or in half precision, where two words may be equally likely, an answer may differ if
it passes its probe as the sealed one did and is not the base's; more than half must be equal.
A run that was sealed without probes cannot be compared.

Why it matters: files can be right and the model that answers still another one: an adapter that was
not applied, another base, another prompt.

Fix: `suretune verify RUN` says whether the run itself still holds; if it does, report the
difference, for then the server is wrong.

V003 answers-differ：将要提供服务的引擎，回答与验证记录的不同。

检查内容：由实际提供服务的引擎回答所有验证问题，并与验证记录里 `proof/result.json` 的回答比较。在
CPU 上用 float32 时必须全部相同；换了设备或用半精度时，两个词的概率可能几乎相等，回答可以不同，但
必须与当时一样通过验证、且不是原模型的回答，并且过半必须相同。验证时没有验证问题的运行无从比较。

影响：文件都对，回答的模型仍可能不对：适配器没有生效、原模型不同、提示词不同。

怎么改：用 `suretune verify RUN` 检查运行本身是否仍然成立；如果成立，请报告这个差异，
那就是服务端的错误。
"""

from suretune.facts import ReplayFacts
from suretune.guards.guard import Guard, Values, run_path, some
from suretune.types import Text


def check(facts: ReplayFacts) -> Values | None:
    if facts.asked and not facts.wrong and (facts.exact or 2 * facts.equal > facts.asked):
        return None
    first = some(facts.wrong[:1])
    which = Text(f"The first that is not: {first.en}", f"第一个不同的：{first.zh}")
    if not facts.asked:
        which = Text(
            "The run was sealed without questions: nothing tells that it is served.",
            "这个运行没有验证问题：无法判断提供的就是它。",
        )
    elif not facts.wrong:
        which = Text("It has to be more than half.", "必须过半。")
    return {
        "where": facts.model,
        "model": facts.model,
        "equal": facts.equal,
        "asked": facts.asked,
        "which": which,
        "run": run_path(facts.run),
    }


GUARD = Guard(
    code="V003",
    name="answers-differ",
    title=Text("answers differ from the seal", "回答与验证时不同"),
    stops=True,
    facts=ReplayFacts,
    check=check,
    what=Text(
        "{model}: {equal} of {asked} probes are answered as sealed. {which}",
        "{model}：{asked} 个验证问题中，有 {equal} 个的回答与验证记录相同。{which}",
    ),
    why=Text(
        "What would be served is not what was proven.",
        "将要提供服务的，不是当时验证过的那个模型。",
    ),
    fix=Text(
        "`suretune verify {run}` says whether the run itself still holds.",
        "用 `suretune verify {run}` 检查运行本身是否仍然成立。",
    ),
)
