"""S014 adapter-missing: there is no adapter at this path.

What it looks at: `--adapters` as a run folder, a checkpoint or an adapter folder, and
`adapter_config.json` inside it.

Why it matters: going on without the adapter would show the answers of the base,
as if training had done nothing.

How to mend it: give one of the folders that the message lists; a run folder
stands for its finished adapter.

S014 adapter-missing：这个路径下没有适配器。

看什么：`--adapters` 可以是运行文件夹、检查点或适配器文件夹，里面要有 `adapter_config.json`。

为什么重要：不加载适配器就继续，看到的是基座的回答，好像训练没有起作用。

怎么改：改成提示里列出的文件夹；给运行文件夹，就用它最终的适配器。
"""

from suretune.guards.guard import Guard, for_setup
from suretune.types import SetupFacts, Text

GUARD = Guard(
    code="S014",
    name="adapter-missing",
    stops=True,
    facts=SetupFacts,
    check=for_setup("adapter-missing", "--adapters"),
    what=Text(
        "{detail} is no run, no checkpoint and no adapter folder. Found nearby: {found}.",
        "{detail} 不是运行文件夹、检查点或适配器文件夹。附近找到的有：{found}。",
    ),
    why=Text(
        "Without it the base would answer, as if training had done nothing.",
        "没有它，回答的就是基座，好像训练没有起作用。",
    ),
    fix=Text(
        "{meant} `--adapters` takes a run folder, a checkpoint or an adapter folder; `resume`, "
        "`verify` and `report` take a run.",
        "{meant}`--adapters` 可以是运行文件夹、检查点或适配器文件夹；"
        "`resume`、`verify`、`report` 需要运行文件夹。",
    ),
)
