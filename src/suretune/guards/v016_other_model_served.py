"""V016 other-model-served: another model answers under this name.

What it looks at: the answers to the run's probes at temperature 0: they are neither the seal's
nor the base's.

Why it matters: another run, another base, merged or quantised weights, or a temperature that is
not 0: what was proven is not what answers.

Fix: name the model with `--served_model_name`; serve the run itself, `suretune serve RUN`. Where
only the precision differs, `--same_needed 0.5` asks for fewer equal answers.

V016 other-model-served：以这个名字回答的是另一个模型。

检查内容：以温度 0 回答的验证问题：既不是验证记录里的回答，也不是原模型的回答。

影响：可能是另一次运行、另一个原模型、合并或量化过的权重，或者温度不是 0：回答问题的不是通过验证的
那个模型。

怎么改：用 `--served_model_name` 指明模型；或直接提供这次运行：
`suretune serve RUN`。若只是精度不同，
`--same_needed 0.5` 可放宽相同回答的比例。
"""

from suretune.facts import ServedFacts
from suretune.guards.guard import Guard, for_served
from suretune.types import Text

GUARD = Guard(
    code="V016",
    name="other-model-served",
    title=Text("another model answers", "回答的是另一个模型"),
    stops=True,
    facts=ServedFacts,
    check=for_served("other-model-served"),
    what=Text(
        "`{model}`: {as_sealed} of {asked} answers are the seal's, {as_base} of {telling} "
        "the base's. First: {first_other}",
        "`{model}`：{asked} 个回答中 {as_sealed} 个与验证记录相同，{telling} 个中 "
        "{as_base} 个与原模型相同。第一个：{first_other}",
    ),
    why=Text(
        "What was proven is not what answers there: another run or base, other weights, or a "
        "temperature above 0.",
        "那里回答问题的不是通过验证的模型：可能是另一次运行或原模型、别的权重，或温度大于 0。",
    ),
    fix=Text(
        "Name the model with `--served_model_name`, or serve the run itself: `suretune serve "
        "{run}`. Where only the precision differs, `--same_needed 0.5`.",
        "用 `--served_model_name` 指明模型，或直接提供这次运行：`suretune serve {run}`。"
        "若只是精度不同，可用 `--same_needed 0.5`。",
    ),
)
