"""P001 no-chat-template: the model has no chat template.

What it looks at: `chat_template` in the tokenizer's files.

Why it matters: without a template there is no agreed way to write a conversation. Whatever was
invented for training, no other program would send.

How to mend it: take the instruct version of the same model, whose tokenizer brings a
template, `--model Qwen2.5-7B-Instruct`; or give the template that goes with the
model: `--chat_template FILE`.

P001 no-chat-template：模型没有对话模板。

看什么：分词器文件里的 `chat_template`。

为什么重要：没有模板，一段对话该怎么写就没有约定。训练时临时拼的格式，别的程序都不会照着发。

怎么改：改用同一模型的 Instruct 版本，它的分词器自带模板：`--model Qwen2.5-7B-Instruct`；
或者给出与模型配套的模板：`--chat_template FILE`。
"""

from suretune.guards.guard import Guard, for_setup
from suretune.types import SetupFacts, Text

GUARD = Guard(
    code="P001",
    name="no-chat-template",
    stops=True,
    facts=SetupFacts,
    check=for_setup("no-chat-template", "--model"),
    what=Text("The tokenizer of {detail} has no chat template.", "{detail} 的分词器没有对话模板。"),
    why=Text(
        "A format invented for training would be sent by no other program.",
        "训练时临时拼的格式，别的程序不会照着发。",
    ),
    fix=Text(
        "{meant} Take the instruct version of the model, `--model Qwen2.5-7B-Instruct`, or give "
        "its template: `--chat_template FILE`.",
        "{meant}改用这个模型的 Instruct 版本：`--model Qwen2.5-7B-Instruct`，"
        "或者给出它的模板：`--chat_template FILE`。",
    ),
)
