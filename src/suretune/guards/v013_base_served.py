"""V013 base-served: the base answers under the adapter's name.

What it looks at: the answers to the run's probes at temperature 0, word for word: more than
half of those that tell the two apart are what the base had answered before training.

Why it matters: the adapter was never loaded, or not applied. Servers do not say so: a name is
all that they check.

Fix: `suretune serve RUN` proves itself before it listens. With vLLM:
`--enable-lora --max-lora-rank 32 --lora-modules NAME=RUN/adapter`, and NAME as the `model` of every
request.

V013 base-served：服务器用适配器的名字提供的是原模型。

检查内容：以温度 0 回答的验证问题，逐字比较：能区分两者的问题中，一半以上与训练前原模型的回答相
同。

影响：适配器没有加载，或没有生效。服务器不会提示：它们只核对名字。

怎么改：`suretune serve RUN` 在监听之前会先验证自己的回答。使用 vLLM 时：
`--enable-lora --max-lora-rank 32 --lora-modules NAME=RUN/adapter`，并且每次请求的 `model`
都写 NAME。
"""

from suretune.facts import ServedFacts
from suretune.guards.guard import Guard, for_served
from suretune.types import Text

GUARD = Guard(
    code="V013",
    name="base-served",
    title=Text("base served in the adapter's name", "提供的是原模型"),
    stops=True,
    facts=ServedFacts,
    check=for_served("base-served"),
    what=Text(
        "`{model}` gave the base's answers: {as_base} of {telling} that tell the two apart "
        "are the base's, word for word; {as_sealed} of {asked} are the seal's.",
        "`{model}` 给出的是原模型的回答：能区分两者的 {telling} 个问题中，{as_base} "
        "个与原模型逐字相同；{asked} 个中有 {as_sealed} 个与验证记录相同。",
    ),
    why=Text(
        "The adapter is not loaded or has no effect there, and no message says so.",
        "那里没有加载适配器，或者适配器没有生效，而且没有任何提示。",
    ),
    fix=Text(
        "`suretune serve {run}` proves itself before it listens; vLLM needs `--enable-lora "
        "--max-lora-rank 32 --lora-modules NAME={adapter}` and that NAME in each request "
        "(`--served_model_name NAME` here).",
        "`suretune serve {run}` 在监听之前会先验证自己的回答；vLLM 需要 "
        "`--enable-lora --max-lora-rank 32 --lora-modules NAME={adapter}`，并在每次请求中使用这个 "
        "NAME（这里用 `--served_model_name NAME`）。",
    ),
)
