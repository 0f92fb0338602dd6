"""D040 rendered-text: rows that were written by a chat template already were read back into turns.

What it looks at: texts and prompts that are from end to end what a template of a known family
writes: ChatML, Llama-2 and Mistral, Llama-3, Gemma, Phi-3, Zephyr, DeepSeek, Vicuna, Alpaca,
`Human:` and `Assistant:`, and others; and answers that are nothing but calls to the tools of their
row, as JSON.

Why it matters: wrapped once more, one turn would nest in another; learned as plain text, questions
would be learned like answers, and calls in a notation that the prompt does not ask for. Read back,
the model's own template writes them, and only the answers are learned.

Fix: nothing needs mending. `--preview 5` shows the turns of the first rows.

D040 rendered-text：已经套过对话模板的数据，被读回成了各轮对话。

检查内容：整段文本或整个提示词是不是某个已知模板写出来的：ChatML、Llama-2 和 Mistral、Llama-3、
Gemma、Phi-3、Zephyr、DeepSeek、Vicuna、Alpaca、`Human:` 与 `Assistant:` 等等；以及回答是不是只有
用 JSON 写的、对本条数据所列工具的调用。

影响：再套一层模板，轮次就会互相嵌套；当成纯文本，问题也会像回答一样被学进去，调用也不是提示里要求
的写法。读回之后，由模型自己的模板来写，并且只学回答。

怎么改：不需要改。`--preview 5` 可以看到前几条数据的各轮对话。
"""

from suretune.facts import DataFacts
from suretune.guards.guard import Guard, Values, some
from suretune.types import Text


def check(facts: DataFacts) -> Values | None:
    rows = facts.rendered
    if not rows:
        return None
    forms = facts.rendered_as
    zh = forms.replace(" or ", " 或 ").replace(" and ", " 与 ")
    return {
        "where": rows[0],
        "count": len(rows),
        "examples": facts.examples,
        "rows": some(rows),
        "form": Text(forms, zh.replace("calls in JSON", "用 JSON 写的调用")),
    }


GUARD = Guard(
    code="D040",
    name="rendered-text",
    title=Text("rendered text read back into turns", "已读回成各轮对话"),
    stops=False,
    facts=DataFacts,
    check=check,
    what=Text(
        "{count} of {examples} rows have turns or calls written out as text ({form}); they were "
        "read back: {rows}.",
        "{examples} 条数据里有 {count} 条把对话或调用写成了文本（{form}），已读回：{rows}。",
    ),
    why=Text(
        "Wrapped once more, or learned as plain text, roles and calls would be learned wrongly.",
        "再套一层模板，或者当成纯文本，角色和调用都会学错。",
    ),
    fix=Text(
        "Nothing needs mending; `--preview 5` shows the turns.",
        "不需要改；`--preview 5` 可以看到各轮对话。",
    ),
)
