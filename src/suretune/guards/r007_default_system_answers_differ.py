"""R007 default-system-answers-differ: asked without a system prompt, the
model passes fewer probes.

What it looks at: the same probes twice: with the system prompt of the training, and with none, so
that the template adds its own.

Why it matters: vLLM, Ollama and transformers send none unless they are told to. There the model
will look as if it had not learned.

How to mend it: send the trained system prompt with every request;
`suretune infer` does so by itself.

R007 default-system-answers-differ：不带系统提示词提问时，通过的验证问题变少。

看什么：同样的验证问题问两遍：一遍带训练时的系统提示词，一遍不带，由模板加上自己的那句。

为什么重要：vLLM、Ollama 和 transformers 默认都不带系统提示词，在那里模型就像没有学会一样。

怎么改：每次请求都带上训练时的系统提示词；`suretune infer` 会自动带上。
"""

from suretune.guards.guard import Guard, Values
from suretune.types import ProofFacts, Text


def check(facts: ProofFacts) -> Values | None:
    passed, asked = facts.probes_passed, facts.probes_asked
    default_passed, default_asked = facts.template_default_passed, facts.template_default_asked
    if default_passed * asked >= passed * default_asked:
        return None
    return {
        "where": "--system",
        "passed": passed,
        "asked": asked,
        "default_passed": default_passed,
        "default_asked": default_asked,
    }


GUARD = Guard(
    code="R007",
    name="default-system-answers-differ",
    stops=False,
    facts=ProofFacts,
    check=check,
    what=Text(
        "With the trained system prompt {passed} of {asked} probes pass, without one "
        "{default_passed} of {default_asked}.",
        "带上训练时的系统提示词，{asked} 个验证问题通过 {passed} 个；不带，"
        "{default_asked} 个通过 {default_passed} 个。",
    ),
    why=Text(
        "vLLM, Ollama and transformers send none by default, and will show those answers.",
        "vLLM、Ollama 和 transformers 默认不带，看到的就是后一种回答。",
    ),
    fix=Text(
        "Send the trained system prompt with every request; `suretune infer` does so by itself.",
        "每次请求都带上训练时的系统提示词；`suretune infer` 会自动带上。",
    ),
)
