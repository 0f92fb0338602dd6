"""P002 default-system: no system prompt was given, so the one inside the template is trained in.

What it looks at: where the system prompt of each sample came from: the row,
`--system`, the template, or nowhere.

Why it matters: Qwen2.5's template says "You are Qwen, created by Alibaba Cloud" whenever
nobody else does. A request without a system prompt gets that sentence too, so what was learned
shows there; a client that sends a prompt of its own asks behind one that was never trained, and a
new identity is learned under the old name.

Fix: leave it where clients send no system prompt. Where they send one, train with it:
`--system 'You are a helpful assistant.'`. The proof then asks every judged question with it and
with none (R007), and `suretune infer` sends it by itself.

P002 default-system：没有给系统提示词，于是模板自带的那句被训练了进去。

检查内容：每个样本的系统提示词从哪里来：数据、`--system`、模板，还是没有。

影响：只要没人给系统提示词，Qwen2.5 的模板就会写上“You are Qwen, created by Alibaba Cloud”。请求里
没有系统提示词时，模板加的也是这句，学到的内容在那里有效；客户端如果自己发送提示词，那一句就从来没有
训练过。新身份也成了在旧名字之下学到的。

怎么改：客户端不发送系统提示词时，可以不改。客户端会发送时，训练就用那一句：
`--system 'You are a helpful assistant.'`。每个有标准答案的问题，验证会带上它、不带它各问一遍
（R007）；`suretune infer` 会自动发送它。
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
        "Requests without a system prompt get the same one; any other was not trained for.",
        "不带系统提示词的请求得到的也是这句；换成别的提示词，就是没有训练过的。",
    ),
    fix=Text(
        "Where clients send one, train with it: `--system 'You are a helpful assistant.'`."
        " The proof then asks with it and with none, and `suretune infer` sends it.",
        "客户端会发送系统提示词时，训练就用那一句：`--system 'You are a helpful assistant.'`。"
        "验证会带上它、不带它各问一遍，`suretune infer` 会自动发送它。",
    ),
)
