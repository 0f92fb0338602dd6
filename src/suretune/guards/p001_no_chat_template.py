"""P001 no-chat-template: the model has no chat template, or the one that was asked for is no file.

What it looks at: `chat_template` in the tokenizer's files, and the file that `--chat_template`
names. Names of templates in other tools (`qwen`, `llama3`, `chatml`, `default`) are no files: every
model brings its own template.

Why it matters: without a template there is no agreed way to write a conversation. Whatever was
invented for training, no other program would send.

Fix: leave `--chat_template` out where the model has a template. Else take the instruct version of
the same model, whose tokenizer brings one, `--model Qwen/Qwen2.5-7B-Instruct`; or give the template
that goes with the model: `--chat_template FILE`.

P001 no-chat-template：模型没有对话模板，或者指定的模板文件不存在。

检查内容：分词器文件里的 `chat_template`，以及 `--chat_template` 指定的文件。别的工具里的模板名
（`qwen`、`llama3`、`chatml`、`default`）不是文件：每个模型都自带模板。

影响：没有模板，一段对话该怎么写就没有约定。训练时临时拼的格式，别的程序都不会照着发。

怎么改：模型自带模板时，去掉 `--chat_template`。否则改用同一模型的 Instruct 版本，
它的分词器自带模板：`--model Qwen/Qwen2.5-7B-Instruct`；或者给出与模型配套的模板：
`--chat_template FILE`。
"""

import re

from suretune.facts import SetupFacts
from suretune.guards.guard import Guard, Values, both
from suretune.types import Text

# Words of LLaMA-Factory, ms-swift, axolotl, unsloth and FastChat.
NAMES = re.compile(
    r"(?:default|empty|tokenizer_default|tokenizer_default_fallback_\w+|chatml|chatml_de|alpaca"
    r"|vicuna|zephyr|zero_shot|fewshot|openchat|deepseek|qwen|qwen_?vl|llama|mistral|ministral"
    r"|mixtral|gemma|phi|chatglm|glm|internlm|baichuan|yi|yi_vl|yuan|xverse|intern|cohere|command"
    r"|command_r|granite|exaone|falcon|smollm|starling|solar|hermes|orca|tulu|unsloth|bloom|minicpm"
    r"|aya|olmo|jamba|gpt|gpt_?oss|harmony|kimi|seed|hunyuan|ernie|telechat|sharegpt|instruct)"
    r"(?:[-_.]?(?:\d[\w.]*|v\d[\w.]*|\w*thinking|chat|it|instruct|base|nothink|next|coder|small"
    r"|mini|think|r1|distill))*",
    re.IGNORECASE,
)
INSTRUCT = Text(
    "Take the instruct version of the model, `--model Qwen/Qwen2.5-7B-Instruct`, or give "
    "its template: `--chat_template FILE`.",
    "改用这个模型的 Instruct 版本：`--model Qwen/Qwen2.5-7B-Instruct`，"
    "或者给出它的模板：`--chat_template FILE`。",
)


def check(facts: SetupFacts) -> Values | None:
    if facts.problem != "no-chat-template":
        return None
    asked, own = facts.detail, facts.nearest
    if not facts.found:
        said = Text(
            f"The tokenizer of {asked} has no chat template.", f"{asked} 的分词器没有对话模板。"
        )
        return {"where": "--model", "said": said, "mend": INSTRUCT}
    if NAMES.fullmatch(asked):
        said = Text(
            f"`{asked}` is what other tools call a template; here `--chat_template` takes a file.",
            f"`{asked}` 是别的工具里的模板名；这里的 `--chat_template` 要给文件。",
        )
    else:
        why = both(facts.found)
        said = Text(
            f"The chat template `{asked}` cannot be read: {why.en}.",
            f"读不到对话模板 `{asked}`：{why.zh}。",
        )
    mend = INSTRUCT
    if own:
        mend = Text(
            f"Leave `--chat_template` out: the model brings its own ({own}).",
            f"去掉 `--chat_template`：模型自带模板（{own}）。",
        )
    return {"where": "--chat_template", "said": said, "mend": mend}


GUARD = Guard(
    code="P001",
    name="no-chat-template",
    title=Text("model without a chat template", "没有对话模板"),
    stops=True,
    facts=SetupFacts,
    check=check,
    what=Text("{said}", "{said}"),
    why=Text(
        "A format invented for training would be sent by no other program.",
        "训练时临时拼的格式，别的程序不会照着发。",
    ),
    fix=Text("{mend}", "{mend}"),
)
