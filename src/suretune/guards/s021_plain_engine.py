"""S021 plain-engine: the fused layers cannot compute this model, transformers' own do.

What it looks at: the model's architecture and the adapters, when training on CUDA.

Why it matters: the result is the same; the run is several times slower and needs more memory.

Fix: nothing has to be mended. Of the reasons, dropout before the adapters (`--lora_dropout`) and
adapters on the head (`--target_modules`) are yours to change.

S021 plain-engine：融合层不认识这个模型，改用 transformers 自己的层计算。

检查内容：在 CUDA 上训练时，模型结构和适配器。

影响：结果相同，只是慢几倍，也更占显存。

怎么改：不改也行。可以自己改的原因有：适配器前的 dropout（`--lora_dropout`）、
给输出层加适配器（`--target_modules`）。
"""

from suretune.facts import SetupFacts
from suretune.guards.guard import Guard, Values, engine_reason, for_setup
from suretune.types import Text


def check(facts: SetupFacts) -> Values | None:
    values = for_setup("plain-engine")(facts)
    return values and {**values, "found": engine_reason(facts.found)}


GUARD = Guard(
    code="S021",
    name="plain-engine",
    title=Text("slower layers are used", "改用较慢的计算层"),
    stops=False,
    facts=SetupFacts,
    check=check,
    what=Text(
        "{detail} is computed by transformers' own layers: {found}.",
        "{detail} 由 transformers 自己的层计算：{found}。",
    ),
    why=Text(
        "The result is the same; it is slower and needs more memory.",
        "结果相同，只是更慢、更占显存。",
    ),
    fix=Text("`--fused false` says so on purpose.", "`--fused false` 表示就是要这样。"),
)
