"""D017 turn-order: the turns of a conversation stand in an order that cannot be.

What it looks at: the roles in order: an optional system turn first, then questions and answers by
turns, with an answer at the end.

Why it matters: chat programs never send such an order, and some templates drop or
merge the turns without a word.

Fix: mend the order of the turns in that row.

D017 turn-order：对话的轮次顺序不对。

检查内容：角色的先后：system 可以没有，有就只能在最前面；之后一问一答，以回答结尾。

影响：聊天程序不会发出这样的顺序，有的模板还会悄悄丢掉或合并几轮。

怎么改：改正这条数据里的轮次顺序。
"""

from suretune.guards.guard import Guard, for_fault
from suretune.types import Fault, Text

GUARD = Guard(
    code="D017",
    name="turn-order",
    title=Text("turns out of order", "对话轮次顺序不对"),
    stops=True,
    facts=Fault,
    check=for_fault("turn-order"),
    what=Text(
        "{where}: the turns do not follow each other: {found}.", "{where}：轮次顺序不对：{found}。"
    ),
    why=Text(
        "No chat program sends such a conversation, so nothing learned from it would be used.",
        "聊天程序不会发出这样的对话，学了也用不上。",
    ),
    fix=Text(
        "{hint} Mend the order, then look again with `suretune check --dataset {file}`.",
        "{hint}改好顺序后用 `suretune check --dataset {file}` 再检查一遍。",
    ),
)
