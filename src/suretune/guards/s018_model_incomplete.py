"""S018 model-incomplete: the model's folder does not hold exactly the files and weights
that its configuration calls for.

What it looks at: `config.json`, the tokenizer, and every weight by name: missing ones, unexpected
ones, and files that are not safetensors.

Why it matters: a missing weight is filled with random numbers, and the log line that says so
looks harmless. Files of other formats can run code when they are loaded.

Fix: run the command that the message gives. Most often it downloads the model again in full,
`hf download ID --local-dir DIR`; pointers of Git LFS are replaced by `git lfs pull`; and
`pytorch_model.bin`, which can run code when it is loaded, is turned into safetensors by the tool
that wrote it.

S018 model-incomplete：模型文件夹里的文件和权重与配置要求的不完全一致。

检查内容：`config.json`、分词器，以及逐个核对权重的名字：有没有缺少的、多出的，以及不是
safetensors 的文件。

影响：缺少的权重会用随机数补上，日志里那行提示看起来却无关紧要。别的格式的文件加载时还可能执行代
码。

怎么改：运行检查结果给出的命令。多数情况下是重新完整下载：`hf download ID --local-dir DIR`；Git
LFS 的指针文件用 `git lfs pull` 换成真正的文件；`pytorch_model.bin` 加载时可能执行代码，要先用写出
它的工具转换成 safetensors。
"""

import shlex

from suretune.facts import SetupFacts
from suretune.guards.guard import Guard, Values, for_setup
from suretune.types import Text


def check(facts: SetupFacts) -> Values | None:
    """`nearest`: the command that mends it, where there is a better one than to download again."""
    values = for_setup("model-incomplete")(facts)
    place = shlex.quote(facts.detail)
    again = Text(
        f"Download it again in full: `hf download ID --local-dir {place}`.",
        f"重新完整下载：`hf download ID --local-dir {place}`。",
    )
    command = Text(f"Run `{facts.nearest}`.", f"请运行 `{facts.nearest}`。")
    return values and {**values, "cure": command if facts.nearest else again}


GUARD = Guard(
    code="S018",
    name="model-incomplete",
    title=Text("model files incomplete", "模型文件不完整"),
    stops=True,
    facts=SetupFacts,
    check=check,
    what=Text(
        "{detail} is not a complete model. Missing or not as expected: {found}.",
        "{detail} 不是完整的模型，缺少或不符的有：{found}。",
    ),
    why=Text("Missing weights would be random numbers.", "缺少的权重会变成随机数。"),
    fix=Text("{cure}", "{cure}"),
)
