"""C009 model-type-mismatch: `--model_type` names another architecture than the
model's own configuration does.

What it looks at: `--model_type` and the `model_type` in the model's `config.json`.

Why it matters: Qwen2.5 is of type `qwen2`; read as `qwen`, the loader of the first Qwen, it gets
other layers and another template.

Fix: remove `--model_type`; suretune reads it from `config.json`.

C009 model-type-mismatch：`--model_type` 与模型自己的配置不一致。

检查内容：`--model_type` 的值，以及模型 `config.json` 里的 `model_type`。

影响：Qwen2.5 的类型是 `qwen2`；写成 `qwen` 就是按第一代 Qwen 加载，层和对话模板都对不上。

怎么改：去掉 `--model_type`，suretune 会从 `config.json` 读取。
"""

from suretune.facts import FlagFacts
from suretune.guards.guard import Guard, for_flag
from suretune.types import Text

GUARD = Guard(
    code="C009",
    name="model-type-mismatch",
    title=Text("--model_type does not fit the model", "模型类型不符"),
    stops=True,
    facts=FlagFacts,
    check=for_flag("model-type-mismatch"),
    what=Text(
        "`{typed}` does not fit the model, whose config.json says {nearest}.",
        "`{typed}` 与模型不符：它的 config.json 写的是 {nearest}。",
    ),
    why=Text(
        "The wrong loader brings the wrong layers and the wrong template.",
        "加载方式不对，层和对话模板就都不对。",
    ),
    fix=Text(
        "Remove `{flag}`; it is read from config.json. {hint}",
        "去掉 `{flag}`，它会从 config.json 读取。{hint}",
    ),
)
