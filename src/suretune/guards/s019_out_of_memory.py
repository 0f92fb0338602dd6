"""S019 out-of-memory: the device's memory does not suffice.

What it looks at: the memory for the base, the adapter and the longest row,
what is free on the device, and what of it other processes hold.

Why it matters: the longest row decides, and it may come late in the run. The number of
accumulation steps does not matter here.

Fix: where others hold what is missing, wait until they have ended, or run fewer side by side; where
the message names a `--lora_rank`, such adapters fit, where it names `--train_type
qlora`, the base in 4 bits does, where `--optim adamw_8bit`, moments in 8 bits do; else lower
`--max_length`, take a smaller model, or free the device; `nvidia-smi` shows who holds it. A base
whose own weights learn also needs the machine's own memory: for what they were, and for the state
that a run goes back to.

S019 out-of-memory：显存不足（在 CPU 上是内存不足）。

检查内容：原模型、适配器和最长一条数据所需的内存，空闲的显存或内存，以及其他进程占用的显存。

影响：起决定作用的是最长的那条数据，它可能到后面才出现。梯度累积的步数与此无关。

怎么改：如果缺的部分是被其他进程占着，就等它们结束，或减少同时运行的个数；如果检查结果给出了
`--lora_rank`，这个秩的适配器就放得下；给出了 `--train_type qlora`，把
原模型压缩成 4 位就放得下；给出了 `--optim adamw_8bit`，用 8 位动量就放得下；否则调低
`--max_length`，换小一点的模型，或者腾出显卡；`nvidia-smi` 会显示谁占着它。训练原模型自身的
权重时还要占用内存：保存它们原来的数值，以及出错时退回的状态。
"""

from suretune.facts import SetupFacts
from suretune.guards.guard import Guard, Values, for_setup, sentence
from suretune.types import Text

SHORTER = Text(
    "Lower `--max_length`; `nvidia-smi` shows what else holds the device.",
    "调低 `--max_length`；`nvidia-smi` 会显示还有谁占着显卡。",
)
WAIT = Text(
    "Wait until others on this card have ended, or run fewer side by side; `nvidia-smi` shows who"
    " they are.",
    "等这张卡上的其他进程结束，或减少同时运行的个数；`nvidia-smi` 会显示是谁占着。",
)
PACKED = Text("the base in 4 bits", "原模型压缩成 4 位")
NARROW = Text("the optimizer's moments in 8 bits", "优化器的动量用 8 位存放")
LESS = Text(
    "Let less of the base learn: `--freeze_parameters_ratio 0.5`; or train adapters beside it:"
    " `--train_type lora`.",
    "少训练一些原模型的权重：`--freeze_parameters_ratio 0.5`；或在它旁边训练适配器："
    "`--train_type lora`。",
)
SMALLER = Text(
    "`suretune resume {run}` goes on with passes of half as many tokens. Or: {other}",
    "`suretune resume {run}` 会从这里继续，每次计算的 token 减半。或者：{other}",
)
FEWER = Text("adapters of a lower rank", "秩小一些的适配器")
BESIDE = Text("adapters beside the frozen base", "在冻结的原模型旁训练适配器")


def check(facts: SetupFacts) -> Values | None:
    values = for_setup("out-of-memory")(facts)
    if values is None:
        return None
    fix = other = LESS if facts.spare == "host" else WAIT if facts.hint else SHORTER
    if facts.spare == "smaller":  # and written down for whoever goes on
        fix = Text(
            SMALLER.en.format(run=facts.detail, other=other.en),
            SMALLER.zh.format(run=facts.detail, other=other.zh),
        )
    if facts.nearest:  # a way to train that fits, by the same plan
        ways = {"qlora": PACKED, "adamw_8bit": NARROW}
        way, _, value = facts.nearest.rpartition(" ")
        how = FEWER if way == "--lora_rank" else ways.get(value, BESIDE)
        fix = Text(
            f"`{facts.nearest}` fits: {how.en}. Or: {other.en}",
            f"`{facts.nearest}` 放得下：{how.zh}。或者：{other.zh}",
        )
    return {**values, "fix": fix, "held": sentence(facts.hint)}


GUARD = Guard(
    code="S019",
    name="out-of-memory",
    title=Text("more memory needed than there is", "显存或内存不足"),
    stops=True,
    facts=SetupFacts,
    check=check,
    what=Text(
        "{detail} does not fit into memory: {found}. {held}",
        "{detail} 放不下：{found}。{held}",
    ),
    why=Text(
        "The longest row decides, and it may come late in the run.",
        "起决定作用的是最长的那条数据，它可能到后面才出现。",
    ),
    fix=Text("{fix}", "{fix}"),
)
