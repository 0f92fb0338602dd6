"""V021 adapter-not-plain: the server cannot compute this adapter, because it is more than LoRA on
the linear layers of the model's blocks.

What it looks at: the adapter's configuration and the names of its tensors, before the base is
loaded: DoRA, biases, whole layers of its own (`modules_to_save`), changes to `lm_head` or to the
embedding, and other variants.

Why it matters: the adapters of a server share one batch, and so each may only add to products that
all of them compute. Anything else would be left out, and answered wrongly.

Fix: `suretune infer --adapters FOLDER` answers with it, one conversation at a time. To serve DoRA,
`suretune export FOLDER --to merged` makes a model of its own (with `--unverified` where it has no
seal); train anything else again as plain LoRA.

V021 adapter-not-plain：服务引擎无法计算这个适配器，因为它不只是各层线性层上的 LoRA。

检查内容：加载原模型之前，先看适配器的配置和张量名：DoRA、偏置、自带的整层参
数（`modules_to_save`）、对 `lm_head` 或词嵌入的改动，以及其他变体。

影响：服务中的多个适配器共用一个批次，每个适配器只能在大家都要算的乘积上做加法。其余的改动会被漏
掉，回答就错了。

怎么改：`suretune infer --adapters 文件夹` 可以用它逐个对话回答。要部署服务，DoRA 可以用
`suretune export 文件夹 --to merged` 写成完整的模型（没有验证记录的要加 `--unverified`），其他的请重
新训练成普通 LoRA。
"""

import shlex

from suretune.facts import SetupFacts
from suretune.guards.guard import Guard, Values, word
from suretune.types import Text

KNOWN = {
    "use_dora": Text("it is DoRA (`use_dora`)", "它是 DoRA（`use_dora`）"),
    "bias": Text("it changes biases (`bias`)", "它改动了偏置（`bias`）"),
    "lora_bias": Text("it adds biases (`lora_bias`)", "它增加了偏置（`lora_bias`）"),
    "modules_to_save": Text(
        "it brings whole layers of its own (`modules_to_save`)",
        "它自带整层参数（`modules_to_save`）",
    ),
    "trainable_token_indices": Text(
        "it changes single tokens of the embedding (`trainable_token_indices`)",
        "它改动了词嵌入中的个别 token（`trainable_token_indices`）",
    ),
}


PLAIN = Text("train it as plain LoRA", "请训练成普通 LoRA")


def _merged(folder: str, more: str) -> Text:
    command = f"`suretune export {shlex.quote(folder)} --to merged{more}`"
    return Text(f"{command} makes a model of its own", f"用 {command} 写成完整的模型")


def check(facts: SetupFacts) -> Values | None:
    """`nearest`: the base, where one was named; `spare`: what an export of it needs to be told."""
    if facts.problem != "adapter-not-plain":
        return None
    name = word(facts.found)
    place = Text(f"it changes `{name}`", f"它改动了 `{name}`")
    if name.isidentifier() and name != "lm_head":
        place = Text(f"its configuration sets `{name}`", f"它的配置设置了 `{name}`")
    model = f" --model {shlex.quote(facts.nearest)}" if facts.nearest else ""
    more = model + (f" {facts.spare}" if facts.spare else "")
    return {
        "where": facts.detail,
        "detail": facts.detail,
        "reason": KNOWN.get(name, place),
        "command": f"suretune infer --adapters {shlex.quote(facts.detail)}{model}",
        "way": _merged(facts.detail, more) if name == "use_dora" else PLAIN,
    }


GUARD = Guard(
    code="V021",
    name="adapter-not-plain",
    title=Text("adapter is more than plain LoRA", "不是普通的 LoRA"),
    stops=True,
    facts=SetupFacts,
    check=check,
    what=Text("{detail} cannot be served: {reason}.", "无法为 {detail} 提供服务：{reason}。"),
    why=Text(
        "In a batch of many adapters each can only be LoRA on the layers of the model's blocks.",
        "多个适配器共用一个批次，每个只能是各层线性层上的 LoRA。",
    ),
    fix=Text(
        "`{command}` answers with it; to serve it, {way}.",
        "可以用 `{command}` 提问；要部署服务，{way}。",
    ),
)
