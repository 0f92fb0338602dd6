"""D041 system-in-question: the template has no system role, so the system prompt stands in front of
the first question.

What it looks at: whether the template has a place for a system prompt, and whether rows or
`--system` bring one.

Why it matters: Gemma's template, for example, refuses a system prompt. Its makers' advice is to put
it in front of the first question, and so it is learned. The template in the adapter's folder does
the same; the one in the base's folder still refuses.

Fix: nothing needs mending with `suretune`. Another server must be given the adapter's template:
`RUN/adapter/chat_template.jinja`.

D041 system-in-question：模板没有 system 角色，系统提示词放在了第一个问题的前面。

检查内容：模板有没有地方写系统提示词；数据或 `--system` 里有没有系统提示词。

影响：例如 Gemma 的模板会拒绝系统提示词。它的作者建议放到第一个问题前面，这里就是这样学的。适配器
文件夹里的模板也会这样写；原模型自带的模板仍然会拒绝。

怎么改：用 `suretune` 部署时不需要改。用别的服务程序时，要给它适配器里的模板：
`RUN/adapter/chat_template.jinja`。
"""

from suretune.facts import DataFacts
from suretune.guards.guard import Guard, Values
from suretune.types import Text


def check(facts: DataFacts) -> Values | None:
    if facts.folded_system <= 0:
        return None
    return {"where": "--system", "count": facts.folded_system, "examples": facts.examples}


GUARD = Guard(
    code="D041",
    name="system-in-question",
    title=Text("system prompt put into the question", "系统提示词并入问题"),
    stops=False,
    facts=DataFacts,
    check=check,
    what=Text(
        "The template has no system role: in {count} of {examples} rows the system prompt stands "
        "in front of the first question.",
        "模板没有 system 角色：{examples} 条数据里有 {count} 条的系统提示词放在了第一个问题前面。",
    ),
    why=Text(
        "It has to be sent in the same way; the base's own template would refuse it.",
        "以后也要这样发送；原模型自带的模板会拒绝它。",
    ),
    fix=Text(
        "`suretune` sends it so by itself; give other servers `RUN/adapter/chat_template.jinja`.",
        "`suretune` 会自动这样发送；别的服务程序请使用 `RUN/adapter/chat_template.jinja`。",
    ),
)
