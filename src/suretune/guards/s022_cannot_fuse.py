"""S022 cannot-fuse: the fused layers were asked for, and they cannot compute this model.

What it looks at: the model's architecture, its rotary embedding, dropout, and where adapters sit.

Why it matters: whoever asks for the fast engine plans with its speed and its memory.

Fix: leave the flag that the message names out: the run then takes the engine that works.

S022 cannot-fuse：要求了融合层，但融合层算不了这个模型。

检查内容：模型结构、旋转位置编码、dropout，以及适配器加在哪里。

影响：没有融合层，训练会慢几倍，也更占显存，可能放不下。

怎么改：去掉检查结果里的参数，会自动用能工作的引擎。
"""

from suretune.facts import SetupFacts
from suretune.guards.guard import Guard, Values, engine_reason, for_setup
from suretune.types import Text


def check(facts: SetupFacts) -> Values | None:
    values = for_setup("cannot-fuse")(facts)
    return values and {**values, "found": engine_reason(facts.found)}


GUARD = Guard(
    code="S022",
    name="cannot-fuse",
    title=Text("fused layers cannot be used", "无法使用融合层"),
    stops=True,
    facts=SetupFacts,
    check=check,
    what=Text(
        "`{detail}`, but the fused layers cannot compute this model: {found}.",
        "要求了 `{detail}`，但融合层算不了这个模型：{found}。",
    ),
    why=Text(
        "Without them training takes several times as long and more memory, perhaps too much.",
        "没有融合层，训练会慢几倍，也更占显存，可能放不下。",
    ),
    fix=Text("Leave `{detail}` out.", "去掉 `{detail}`。"),
)
