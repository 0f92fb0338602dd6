"""P002 default-system: no system prompt was given, so the one inside the template is trained in.

What it looks at: where the system prompt of each sample came from: the row,
`--system`, the template, or nowhere.

Why it matters: Qwen2.5's template says "You are Qwen, created by Alibaba Cloud" whenever
nobody else does. A new identity is then learned under the old name, and shows only where
that sentence is sent as well.

Fix: decide on one and train with it: `--system 'You are a helpful assistant.'`. `suretune infer`
sends the trained one by itself.

P002 default-system：没有给系统提示词，于是模板自带的那句被训练了进去。

检查内容：每个样本的系统提示词从哪里来：数据、`--system`、模板，还是没有。

影响：只要没人给系统提示词，Qwen2.5 的模板就会写上“You are Qwen, created by Alibaba Cloud”。新身份
就成了在旧名字之下学到的，也只有照样发送这句话时才表现得出来。

怎么改：选定一句，训练时就用它：`--system 'You are a helpful assistant.'`。
`suretune infer` 会自动发送训练时用的那句。
"""

from suretune.facts import DataFacts
from suretune.guards.guard import Guard, Values, for_learned
from suretune.types import Text


def check(facts: DataFacts) -> Values | None:
    count = facts.system_sources.get("template", 0)
    if count <= 0 or not facts.template_system:
        return None
    return {"where": "--system", "count": count, "system": facts.template_system}


GUARD = Guard(
    code="P002",
    name="default-system",
    title=Text("template's own system prompt is trained", "用了模板的系统提示词"),
    stops=False,
    facts=DataFacts,
    check=for_learned(check),
    what=Text(
        "{count} samples got the template's own system prompt: {system}",
        "{count} 个样本用的是模板自带的系统提示词：{system}",
    ),
    why=Text(
        "It is trained in, and has to be sent whenever the model is asked.",
        "它被训练了进去；以后也要发送同样的提示词，模型才会像训练时那样回答。",
    ),
    fix=Text(
        "Decide on one: `--system 'You are a helpful assistant.'`; `suretune infer` then sends it.",
        "选定一句：`--system 'You are a helpful assistant.'`；之后 `suretune infer` 会自动发送它。",
    ),
)
