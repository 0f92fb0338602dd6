"""V007 cannot-serve: the server's engine cannot compute this model or this adapter.

What it looks at: the model's architecture, and what the adapter changes.

Why it matters: several adapters share one batch only where each is a plain LoRA on linear layers of
an architecture that is known; anything else would be answered wrongly.

Fix: `suretune infer` answers with any model; a server that knows more architectures is vLLM.

V007 cannot-serve：服务引擎无法计算这个模型或这个适配器。

检查内容：模型结构，以及适配器改动了什么。

影响：只有在已知结构的线性层上的普通 LoRA，多个适配器才能放进同一批；其他情况会答错。

怎么改：`suretune infer` 能用任何模型回答；支持更多结构的服务是 vLLM。
"""

from suretune.facts import SetupFacts
from suretune.guards.guard import Guard, Values, engine_reason, for_setup
from suretune.types import Text


def check(facts: SetupFacts) -> Values | None:
    values = for_setup("cannot-serve")(facts)
    return values and {**values, "found": engine_reason(facts.found)}


GUARD = Guard(
    code="V007",
    name="cannot-serve",
    title=Text("model cannot be served", "无法提供服务"),
    stops=True,
    facts=SetupFacts,
    check=check,
    what=Text("{detail} cannot be served: {found}.", "无法为 {detail} 提供服务：{found}。"),
    why=Text("The engine would not compute it exactly.", "引擎无法准确计算它。"),
    fix=Text(
        "`suretune infer` answers with it; vLLM serves it.",
        "可用 `suretune infer` 提问，用 vLLM 提供服务。",
    ),
)
