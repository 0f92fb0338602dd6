"""P003 template-refused: the chat template refuses a row.

What it looks at: every row as the model's own template renders it; the
message carries the template's words.

Why it matters: the template is what every other program uses too. A conversation that it refuses
can be trained by a trick, but never be sent.

How to mend it: change the row to what the template allows. Gemma, for example, has no system
role: put that text at the front of the first question.

P003 template-refused：对话模板拒绝了这条数据。

看什么：用模型自己的模板逐条渲染；提示里引用模板给出的原话。

为什么重要：别的程序用的也是这份模板。它拒绝的对话，就算想办法训练进去，也没法发送。

怎么改：把数据改成模板允许的样子。例如 Gemma 没有 system 角色，可以把那段话放到第一个问题的开头。
"""

from suretune.guards.guard import Guard, for_fault
from suretune.types import Fault, Text

GUARD = Guard(
    code="P003",
    name="template-refused",
    stops=True,
    facts=Fault,
    check=for_fault("template-refused"),
    what=Text(
        "{where}: the chat template refuses this row: {found}",
        "{where}：对话模板拒绝了这条数据：{found}",
    ),
    why=Text(
        "What the template refuses cannot be sent to the model later either.",
        "模板拒绝的对话，以后也没法发给模型。",
    ),
    fix=Text(
        "{hint} Change the row to what the template allows, then look again with "
        "`suretune check --dataset {file}`.",
        "{hint}改成模板允许的样子，再用 `suretune check --dataset {file}` 检查。",
    ),
)
