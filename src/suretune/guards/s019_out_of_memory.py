"""S019 out-of-memory: the device's memory does not suffice.

What it looks at: the memory for the base, the adapter and the longest row,
and what is free on the device.

Why it matters: the longest row decides, and it may come late in the run. The number of
accumulation steps does not matter here.

Fix: where the message names `--train_type qlora`, the base in 4 bits fits; else lower
`--max_length`, take a smaller model, or free the device; `nvidia-smi` shows who holds it.

S019 out-of-memory：显存不足（在 CPU 上是内存不足）。

检查内容：原模型、适配器和最长一条数据所需的内存，以及空闲的显存或内存。

影响：起决定作用的是最长的那条数据，它可能到后面才出现。梯度累积的步数与此无关。

怎么改：如果检查结果给出了 `--train_type qlora`，把原模型压缩成 4 位就放得下；否则调低
`--max_length`，换小一点的模型，或者腾出显卡；`nvidia-smi` 会显示谁占着它。
"""

from suretune.facts import SetupFacts
from suretune.guards.guard import Guard, Values, for_setup
from suretune.types import Text

SHORTER = Text(
    "Lower `--max_length`; `nvidia-smi` shows what else holds the device.",
    "调低 `--max_length`；`nvidia-smi` 会显示还有谁占着显卡。",
)
PACKED = Text("the base in 4 bits", "原模型压缩成 4 位")
BESIDE = Text("adapters beside the frozen base", "在冻结的原模型旁训练适配器")


def check(facts: SetupFacts) -> Values | None:
    values = for_setup("out-of-memory")(facts)
    if values is None:
        return None
    fix = SHORTER
    if facts.nearest:  # a way to train that fits, by the same plan
        packed = facts.nearest.endswith("qlora")
        how = PACKED if packed else BESIDE
        fix = Text(
            f"`{facts.nearest}` fits: {how.en}. Or: {SHORTER.en}",
            f"`{facts.nearest}` 放得下：{how.zh}。或者：{SHORTER.zh}",
        )
    return {**values, "fix": fix}


GUARD = Guard(
    code="S019",
    name="out-of-memory",
    title=Text("more memory needed than there is", "显存或内存不足"),
    stops=True,
    facts=SetupFacts,
    check=check,
    what=Text("{detail} does not fit into memory: {found}.", "{detail} 放不下：{found}。"),
    why=Text(
        "The longest row decides, and it may come late in the run.",
        "起决定作用的是最长的那条数据，它可能到后面才出现。",
    ),
    fix=Text("{fix}", "{fix}"),
)
