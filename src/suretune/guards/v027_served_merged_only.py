"""V027 served-merged-only: no server takes this adapter beside its base.

What it looks at: `--use_dora true`.

Why it matters: servers add what an adapter says to what the base says, for many adapters in one
batch. A DoRA layer is not such a sum: it gives each row of the matrix another length as well. vLLM
and `suretune serve` refuse it when it is loaded, long after training; others leave the lengths out
and answer wrongly.

Fix: nothing, if it is asked with `suretune infer` or `suretune ask`, or loaded by PEFT. For a
server, `suretune export RUN --to merged` after training writes a model of its own, which any server
takes.

V027 served-merged-only：任何服务程序都不能在原模型旁边加载这个适配器。

检查内容：`--use_dora true`。

影响：服务程序把适配器的输出加到原模型的输出上，一个批次里有许多适配器。DoRA 的层不是这样的和：它还
改变矩阵每一行的长度。vLLM 和 `suretune serve` 在加载时拒绝它，而那时训练早已结束；别的程序会漏掉
长度，回答就错了。

怎么改：用 `suretune infer`、`suretune ask` 提问，或用 PEFT 加载时，不用处理。要部署服务，训练后执行
`suretune export RUN --to merged`，写出的是完整的模型，任何服务程序都能加载。
"""

from suretune.facts import SetupFacts
from suretune.guards.guard import Guard, for_setup
from suretune.types import Text

GUARD = Guard(
    code="V027",
    name="served-merged-only",
    title=Text("servers take it merged only", "只有合并后才能部署"),
    stops=False,
    facts=SetupFacts,
    check=for_setup("served-merged-only", "--use_dora"),
    what=Text(
        "`{detail}`: {found} is taken beside its base by no server, neither vLLM nor"
        " `suretune serve`.",
        "`{detail}`：{found} 适配器，vLLM 和 `suretune serve` 都不能在原模型旁边加载。",
    ),
    why=Text(
        "They only add what an adapter says; this one also gives rows of the matrices other"
        " lengths.",
        "它们只会把适配器的输出加上去，而它还改变矩阵各行的长度。",
    ),
    fix=Text(
        "For a server, after the run: `suretune export RUN --to merged`. `suretune infer` and"
        " `suretune ask` take the run as it is.",
        "要部署服务，训练后执行 `suretune export RUN --to merged`。`suretune infer` 和"
        " `suretune ask` 直接使用运行文件夹。",
    ),
)
