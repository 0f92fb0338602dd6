"""S032 code-not-run: the model's configuration points at code, which is not run.

What it looks at: `config.json`, however deep: `auto_map`, which names Python files of the folder or
of a hub, and `..._implementation_internal`, which names kernels of a hub.

Why it matters: other tools run that code, some after one question, some without. Here nothing of
it is ever loaded: the model is computed by transformers' own layers, or not at all. If its author
changed the layers, it is not computed as it was meant.

Fix: nothing has to be done for a model of a well-known family. Otherwise compare the code with
transformers' own, and take the fields out of a copy of the model.

S032 code-not-run：模型的配置指向一段代码，本工具不会运行它。

检查内容：`config.json` 的每一层：`auto_map`（指向文件夹里或 Hugging Face 上的 Python 文件）和
`..._implementation_internal`（指向 Hugging Face 上的计算内核）。

影响：别的工具会运行这些代码，有的先问一句，有的不问。这里一律不加载：只用 transformers 自带的层计
算，不支持就拒绝。如果作者改过模型的层，这里的计算就和原意不同。

怎么改：常见系列的模型不用处理。其他模型请对照 transformers 自带的实现检查代码，
再从模型的副本里去掉这些字段。
"""

from suretune.facts import SetupFacts
from suretune.guards.guard import Guard, for_setup
from suretune.types import Text

GUARD = Guard(
    code="S032",
    name="code-not-run",
    title=Text("code of the model not run", "不运行模型带的代码"),
    stops=False,
    facts=SetupFacts,
    check=for_setup("code-not-run", "--model"),
    what=Text(
        "The config.json of {detail} points at code: {found}. None of it is run.",
        "{detail} 的 config.json 指向一段代码：{found}。它不会被运行。",
    ),
    why=Text(
        "Other tools may run it; and if it changes the layers, this is not the same model.",
        "别的工具可能会运行它；如果它改了模型的层，这里算的就不是同一个模型。",
    ),
    fix=Text(
        "Nothing for a well-known model. Else read that code, and give a copy without these "
        "fields: `--model COPY`.",
        "常见模型不用处理。否则先看看这段代码，再用去掉这些字段的副本：`--model COPY`。",
    ),
)
