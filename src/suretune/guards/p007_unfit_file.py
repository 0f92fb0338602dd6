"""P007 unfit-file: a chat template or tokenizer takes more than it may when it is used, or breaks.

What it looks at: every use of a template, and of a tokenizer with unusual parts. They are programs
that somebody else wrote, so they are used in a process of their own, with a limit of computing time
and memory for each conversation.

Why it matters: a template can loop without end, on one word of one row, or ask for all memory;
used where the weights are, it takes the training or the whole server with it.

Fix: use the template of the base model: `--chat_template FILE`. A tokenizer comes from whoever
made the model: download it again, or ask them.

P007 unfit-file：对话模板或分词器在使用时超出了限制，或者出错崩溃。

检查内容：模板的每次使用，以及含有少见部件的分词器。它们是别人写的程序，因此放在单独的进程里执行，
每段对话的计算时间和内存都有上限。

影响：模板可能因为某一行里的一个词就陷入死循环，也可能要光所有内存；如果和权重放在同一个进程，整个
训练或服务都会被拖垮。

怎么改：改用原模型的模板：`--chat_template 文件`。分词器由模型的作者提供：重新下载，或询问作者。
"""

from suretune.guards.guard import Guard, for_fault
from suretune.types import Fault, Text

GUARD = Guard(
    code="P007",
    name="unfit-file",
    title=Text("template or tokenizer broke off", "模板或分词器出错"),
    stops=True,
    facts=Fault,
    check=for_fault("unfit-file"),
    what=Text(
        "{where}: {found} cannot be used. {hint}",
        "{where}：无法使用 {found}。{hint}",
    ),
    why=Text(
        "It is a program that somebody else wrote: one conversation could stop everything.",
        "它是别人写的程序：一段对话就可能让一切停下来。",
    ),
    fix=Text(
        "If it is a template, use another: `--chat_template FILE`, for example the base model's "
        "`chat_template.jinja`; if it is a tokenizer, download the model again.",
        "如果是模板，换一个：`--chat_template 文件`，例如原模型的 "
        "`chat_template.jinja`；如果是分词器，重新下载模型。",
    ),
)
