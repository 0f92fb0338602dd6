"""S019 out-of-memory: the device's memory does not suffice.

What it looks at: the memory for the base, the adapter and the longest row,
and what is free on the device.

Why it matters: the longest row decides, and it may come late in the run. The number of
accumulation steps does not matter here.

Fix: lower `--max_length`, take a smaller model, or free the device; `nvidia-smi` shows who holds
it.

S019 out-of-memory：显存不足（在 CPU 上是内存不足）。

检查内容：原模型、适配器和最长一条数据所需的内存，以及空闲的显存或内存。

影响：起决定作用的是最长的那条数据，它可能到后面才出现。梯度累积的步数与此无关。

怎么改：调低 `--max_length`，换小一点的模型，或者腾出显卡；`nvidia-smi` 会显示谁占着它。
"""

from suretune.facts import SetupFacts
from suretune.guards.guard import Guard, for_setup
from suretune.types import Text

GUARD = Guard(
    code="S019",
    name="out-of-memory",
    title=Text("more memory needed than there is", "显存或内存不足"),
    stops=True,
    facts=SetupFacts,
    check=for_setup("out-of-memory"),
    what=Text("{detail} does not fit into memory: {found}.", "{detail} 放不下：{found}。"),
    why=Text(
        "The longest row decides, and it may come late in the run.",
        "起决定作用的是最长的那条数据，它可能到后面才出现。",
    ),
    fix=Text(
        "Lower `--max_length`; `nvidia-smi` shows what else holds the device.",
        "调低 `--max_length`；`nvidia-smi` 会显示还有谁占着显卡。",
    ),
)
