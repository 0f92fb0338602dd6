"""What options mean in verbs that do not train: in words of their own, or nothing at all."""

from __future__ import annotations

from suretune.cli.parse import Command
from suretune.facts import FlagFacts
from suretune.options import Config
from suretune.types import Text

SEED = Config().schedule.seed
OF_QUESTIONS = {
    "system": Text(
        "system prompt of questions that bring none; that of the training when not given",
        "没有自带系统提示词的问题使用的系统提示词；不写则用训练时的",
    )
}
IN_ANSWERS = {
    **OF_QUESTIONS,
    "seed": Text(
        f"of what is drawn where --temperature is above 0; {SEED} when not given",
        f"--temperature 大于 0 时抽样的随机种子；不写则为 {SEED}",
    ),
}
ITSELF = Text("the model itself says what it is", "模型类型由模型自己决定")
TEMPLATE = Text(
    "the model's own chat template is used; another one is given as a file, `--chat_template FILE`",
    "用的是模型自带的对话模板；要用别的模板，请给出文件：`--chat_template FILE`",
)
NUMBERS = Text(
    "an export keeps the base's own numbers; `--quant` chooses those of a GGUF",
    "导出保持原模型的数值格式；GGUF 的格式用 `--quant` 选择",
)
SPEAKING = {"model_type": ITSELF, "template": TEMPLATE}
EXPORTING = {**SPEAKING, **dict.fromkeys(("torch_dtype", "bf16", "fp16"), NUMBERS)}


def without_effect(command: Command) -> list[FlagFacts]:
    """The options that were given and change nothing in this verb, with the reason."""
    given = {name: value for name, value, _ in command.resolved.items()}
    return [
        FlagFacts("left-out", f"--{name}", _typed(given[name]), hint=why)
        for name, why in command.verb.idle.items()
        if command.resolved.given(name)
    ]


def _typed(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
