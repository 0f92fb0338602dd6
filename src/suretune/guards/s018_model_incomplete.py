"""S018 model-incomplete: the model's folder does not hold exactly the files and weights
that its configuration calls for.

What it looks at: `config.json`, the tokenizer, and every weight by name: missing ones, unexpected
ones, and files that are not safetensors.

Why it matters: a missing weight is filled with random numbers, and the log line that says so
looks harmless. Files of other formats can run code when they are loaded.

Fix: run the command that the message gives. Most often it downloads the model again in full;
pointers of Git LFS are replaced by `git lfs pull`; and `pytorch_model.bin`, which can run code when
it is loaded, is turned into safetensors by the tool that wrote it. A run or an adapter is no model:
it goes behind `--adapters`, or is made a model of its own by `suretune export RUN --to merged`.

S018 model-incomplete：模型文件夹里的文件和权重与配置要求的不完全一致。

检查内容：`config.json`、分词器，以及逐个核对权重的名字：有没有缺少的、多出的，以及不是
safetensors 的文件。

影响：缺少的权重会用随机数补上，日志里那行提示看起来却无关紧要。别的格式的文件加载时还可能执行代
码。

怎么改：运行检查结果给出的命令。多数情况下是重新完整下载；Git LFS 的指针文件用 `git lfs pull`
换成真正的文件；`pytorch_model.bin` 加载时可能执行代码，要先用写出它的工具转换成 safetensors。运行文
件夹和适配器不是模型：用 `--adapters` 给出，或用 `suretune export 运行文件夹 --to merged` 写成完整的
模型。
"""

from suretune.facts import SetupFacts
from suretune.guards.guard import Guard, Values, filled, for_setup
from suretune.types import Text

RANDOM = Text("Missing weights would be random numbers.", "缺少的权重会变成随机数。")
WHOLE = Text(
    "Training and answering begin from a whole model.",
    "训练和回答都要从完整的模型开始。",
)


def _as_run(facts: SetupFacts) -> Text:
    """What to type for a run, or for an adapter; `spare`: the model that it has, or will have."""
    if not facts.spare:
        return Text("Name a model with `--model`.", "请用 `--model` 给出模型。")
    model = f"`--model {facts.spare}`"
    if not facts.nearest:
        return Text(f"Its model: {model}.", f"它的模型：{model}。")
    adapter = f"`--adapters {facts.found}`"
    return Text(
        f"To ask it or to serve it, {adapter} in place of `--model`. To train on from it,"
        f" `{facts.nearest}` makes a model of it: {model}.",
        f"要提问或部署服务，把 `--model` 换成 {adapter}。要在它的基础上继续训练，先用"
        f" `{facts.nearest}` 写成完整的模型，再用 {model}。",
    )


def check(facts: SetupFacts) -> Values | None:
    """`nearest`: the command that mends it, where there is a better one than to download again;
    `hint`: what the folder is, where it was made to be no model."""
    values = for_setup("model-incomplete")(facts)
    if values is None:
        return None
    if facts.hint:
        return {**values, "what": facts.hint, "why": WHOLE, "cure": _as_run(facts)}
    what = Text(
        "{detail} is not a complete model. Missing or not as expected: {found}.",
        "{detail} 不是完整的模型，缺少或不符的有：{found}。",
    )
    command = Text(f"Run `{facts.nearest}`.", f"请运行 `{facts.nearest}`。")
    again = Text(
        f"Download it again in full into {facts.detail}.",
        f"请把它重新完整下载到 {facts.detail}。",
    )
    cure = command if facts.nearest else again
    return {**values, "what": filled(what, values), "why": RANDOM, "cure": cure}


GUARD = Guard(
    code="S018",
    name="model-incomplete",
    title=Text("model files incomplete", "模型文件不完整"),
    stops=True,
    facts=SetupFacts,
    check=check,
    what=Text("{what}", "{what}"),
    why=Text("{why}", "{why}"),
    fix=Text("{cure}", "{cure}"),
)
