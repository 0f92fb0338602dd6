"""V018 answer-not-finite: the model computes numbers that are not finite, so there is no answer.

What it looks at: the scores of every next token, while `infer` and `ask` answer.

Why it matters: among numbers that are not numbers no token is the likeliest. What would be shown is
an empty answer or one token again and again, as if the model had nothing to say.

Fix: compute in single precision, `--torch_dtype float32`, for half precision may have overflowed;
if it still happens, the weights are damaged: `suretune verify RUN`, or download the base again.

V018 answer-not-finite：模型算出 NaN 或 Inf，因此没有回答。

检查内容：`infer` 和 `ask` 作答时，每个候选 token 的得分。

影响：得分是 NaN，就选不出最可能的 token。显示出来会是空回答，或者反复同一个 token，好像模型无话可
说。

怎么改：改用单精度 `--torch_dtype float32`，半精度可能溢出；如果仍然这样，就是权重坏了：用
`suretune verify RUN` 检查，或重新下载原模型。
"""

from suretune.facts import SetupFacts
from suretune.guards.guard import Guard, Values, for_setup
from suretune.types import Text


def check(facts: SetupFacts) -> Values | None:
    """`found`: the precision; `nearest`: the command that looks at the run, where there is one."""
    values = for_setup("answer-not-finite")(facts)
    half = Text(
        "Compute in single precision: `--torch_dtype float32`.",
        "请用单精度计算：`--torch_dtype float32`。",
    )
    whole = Text(
        f"The weights are damaged; `{facts.nearest}` says which are not as they were.",
        f"权重已损坏；`{facts.nearest}` 会说明哪些与当时不同。",
    )
    base = Text(
        "The weights are damaged: train the adapter again, or download the base again.",
        "权重已损坏：请重新训练适配器，或重新下载原模型。",
    )
    way = half if facts.found != "float32" else whole if facts.nearest else base
    return values and {**values, "way": way}


GUARD = Guard(
    code="V018",
    name="answer-not-finite",
    title=Text("answer could not be computed", "算不出回答"),
    stops=True,
    facts=SetupFacts,
    check=check,
    what=Text(
        "{detail} computes NaN or Inf ({found}): there is no answer.",
        "{detail} 算出了 NaN 或 Inf（{found}）：没有回答。",
    ),
    why=Text(
        "Among such numbers no token is the likeliest; an empty answer would look like a real one.",
        "这样的数里选不出最可能的 token；空回答会被当成真的回答。",
    ),
    fix=Text("{way}", "{way}"),
)
