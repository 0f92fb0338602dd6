"""V022 not-lora: this adapter is of another kind than LoRA.

What it looks at: `peft_type` in `adapter_config.json`: IA3, LoHa, LoKr, VeRA, prompt or prefix
tuning and others.

Why it matters: each kind computes something else. suretune computes LoRA, and checks every tensor
of it; another kind would be loaded without that.

Fix: PEFT itself opens it, `AutoPeftModelForCausalLM.from_pretrained("FOLDER")`; or train the same
rows as LoRA.

V022 not-lora：这个适配器不是 LoRA，而是别的类型。

检查内容：`adapter_config.json` 里的 `peft_type`：IA3、LoHa、LoKr、VeRA、提示调优、前缀调优等。

影响：每种类型的计算方式都不同。suretune 只计算 LoRA，并逐个核对张量；别的类型按 LoRA 计算，回答就
是错的。

怎么改：可以直接用 PEFT 打开：`AutoPeftModelForCausalLM.from_pretrained("文件夹")`；
或者用同样的数据训练成 LoRA。
"""

from suretune.facts import SetupFacts
from suretune.guards.guard import Guard, for_setup
from suretune.types import Text

GUARD = Guard(
    code="V022",
    name="not-lora",
    title=Text("adapter is not LoRA", "不是 LoRA 适配器"),
    stops=True,
    facts=SetupFacts,
    check=for_setup("not-lora"),
    what=Text(
        "{detail} is a {found} adapter, not LoRA.", "{detail} 是 {found} 适配器，不是 LoRA。"
    ),
    why=Text(
        "suretune computes LoRA alone: taken for that, the answers would be wrong.",
        "suretune 只计算 LoRA；把它当成 LoRA 来算，回答就是错的。",
    ),
    fix=Text(
        'PEFT itself opens it: `AutoPeftModelForCausalLM.from_pretrained("{detail}")`.',
        '可以直接用 PEFT 打开：`AutoPeftModelForCausalLM.from_pretrained("{detail}")`。',
    ),
)
