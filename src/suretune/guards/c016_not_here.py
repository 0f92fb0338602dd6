"""C016 not-here: flags or commands of other tools that ask for what suretune does not do.

What it looks at: flags of ms-swift, LLaMA-Factory, Axolotl and vLLM that suretune knows of and has
nothing for: `--quant_bits 4`, `--deepspeed zero2`, `--lora_bias all`; and their commands, such as
`swift rlhf`.

Why it matters: without them the run would mean something else: the base in other numbers, one GPU
in place of several, another kind of adapter.

Fix: leave the flag out if the run without it will do; the message says what there is in its
place.

C016 not-here：其他工具有、suretune 没有的功能。

检查内容：ms-swift、LLaMA-Factory、Axolotl 和 vLLM 的参数里，suretune 认识但没有对应功能的：
`--quant_bits 4`、`--deepspeed zero2`、`--lora_bias all`；以及它们的命令，例如 `swift rlhf`。

影响：没有这些参数，训练就是另一回事：原模型的精度不同、用一块 GPU 代替多块，或者换了一种适配器。

怎么改：如果没有它也可以，就去掉这个参数；检查结果说明了可以用什么代替。
"""

from suretune.facts import FlagFacts
from suretune.guards.guard import Guard, Values, for_flag, listed
from suretune.types import Text


def check(facts: FlagFacts) -> Values | None:
    values = for_flag("not-here")(facts)
    if values is None:
        return None
    items = (facts, *facts.others)
    flags = [f"`{one.flag}`" for one in items if one.flag.startswith("--")]
    drop = Text(
        f"If the run will do without: leave out {', '.join(flags)}.",
        f"如果没有它也可以，去掉 {'、'.join(flags)}。",
    )
    whole = facts.command
    runs = Text(f" What runs: `{whole}`", f"可以运行的是：`{whole}`") if whole else Text("", "")
    known = Text("`suretune --help` lists what there is.", "全部功能见 `suretune --help`。")
    return {**values, "all": listed(facts), "drop": drop if flags else known, "runs": runs}


GUARD = Guard(
    code="C016",
    name="not-here",
    title=Text("not available in suretune", "suretune 没有的功能"),
    stops=True,
    facts=FlagFacts,
    check=check,
    what=Text("Not there in suretune: {all}", "suretune 没有：{all}"),
    why=Text(
        "It is not passed over in silence: without it the run would be another one.",
        "不会悄悄略过：缺了它，训练的就不是你要的那件事。",
    ),
    fix=Text("{drop}{runs}", "{drop}{runs}"),
)
