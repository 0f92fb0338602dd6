"""R007 default-system-answers-differ: asked without a system prompt, the
model passes far fewer probes.

What it looks at: the same probes twice: with the system prompt of the training, and with none, so
that the template adds its own. It speaks where the second passes less than four fifths of what the
first does.

Why it matters: vLLM, Ollama and transformers send none unless they are told to. There the model
will look as if it had not learned.

Fix: train without `--system`. If every request will bring the trained system prompt
(`suretune infer` and `suretune serve` add it by themselves), say so with `--ignore R007`.

R007 default-system-answers-differ：不带系统提示词提问时，通过的验证问题少了很多。

检查内容：同样的验证问题问两遍：一遍带训练时的系统提示词，一遍不带，由模板加上自己的那句。后者通过
的不到前者的五分之四时才会报告。

影响：vLLM、Ollama 和 transformers 默认都不带系统提示词，在那里模型就像没有学会一样。

怎么改：训练时不用 `--system`。如果每次请求都会带上训练时的系统提示词
（`suretune infer` 和 `suretune serve` 会自动带上），请用 `--ignore R007` 说明。
"""

from suretune.facts import ProofFacts
from suretune.guards.guard import Guard, Values
from suretune.types import Text

NEEDED = 0.8  # of the share that passes with the trained prompt


def check(facts: ProofFacts) -> Values | None:
    passed, asked = facts.probes_passed, facts.probes_asked
    default_passed, default_asked = facts.template_default_passed, facts.template_default_asked
    if default_passed * asked >= NEEDED * passed * default_asked:
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
    title=Text("fails without the system prompt", "不带提示词就不行"),
    stops=True,
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
        "Train without `--system`; or, if every request will bring this prompt, say so with"
        " `--ignore R007`.",
        "训练时不用 `--system`；如果每次请求都会带上这句提示词，请用 `--ignore R007` 说明。",
    ),
)
