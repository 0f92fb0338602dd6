"""E001 target-cannot-load: the target of an export has no place for something in this adapter.

What it looks at: the adapter's settings, ranks and layers, and the base's architecture, against
what the target can load, before anything is written.

Why it matters: most programs leave out what they do not know, or fail on it in their own words
when the model is started, long after it was carried there.

Fix: the command that the message names is one that works for this adapter; or train it
again as plain LoRA on the layers of the blocks.

E001 target-cannot-load：导出的目标装不下这个适配器里的某些内容。

检查内容：在写出任何文件之前，用适配器的设置、秩和层，以及原模型的结构，对照目标能加载的内容。

影响：多数程序遇到不认识的内容就跳过，或者等到启动模型时才用自己的话报错，而那时早已部署过去了。

怎么改：提示里的命令对这个适配器可用；或者重新训练成只作用于各层线性层的普通 LoRA。
"""

from suretune.facts import SetupFacts
from suretune.guards.guard import EMPTY, Guard, Values, for_setup
from suretune.types import Text


def check(facts: SetupFacts) -> Values | None:
    values = for_setup("target-cannot-load")(facts)
    other = Text(f"`{facts.nearest}`", f"`{facts.nearest}`")
    again = Text(
        "Train it as plain LoRA: `suretune sft --target_modules all-linear`.",
        "重新训练成普通 LoRA：`suretune sft --target_modules all-linear`。",
    )
    return values and {
        **values,
        "what": facts.hint or EMPTY,
        "instead": other if facts.nearest else again,
    }


GUARD = Guard(
    code="E001",
    name="target-cannot-load",
    title=Text("the target cannot load it", "目标加载不了"),
    stops=True,
    facts=SetupFacts,
    check=check,
    what=Text("{detail} cannot load {found}: {what}.", "{detail} 无法加载 {found}：{what}。"),
    why=Text(
        "It would be left out there, or fail when the model is started. Nothing was written.",
        "到了那里，它会被漏掉，或者在启动模型时出错。没有写出任何文件。",
    ),
    fix=Text("{instead}", "{instead}"),
)
