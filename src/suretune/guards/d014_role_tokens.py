"""D014 role-tokens: a row has role tokens such as `<|im_start|>` in its text.

What it looks at: every text for the tokens with which the model's template separates the turns.

Why it matters: the template adds them itself. Written into the text they nest one turn in
another, and the answer that is learned begins with a header.

How to mend it: `--strip_role_tokens true` removes them from every text;
the message shows the first one.

D014 role-tokens：数据的文本里写了 `<|im_start|>` 这类角色标记。

看什么：每段文本里有没有对话模板用来分隔轮次的标记。

为什么重要：模板会自动加上这些标记。文本里再写一遍，轮次就会互相嵌套，
模型要学的回答也会以一段标记开头。

怎么改：`--strip_role_tokens true` 会从所有文本中去掉它们；提示里给出的是遇到的第一处。
"""

from suretune.guards.guard import Guard, for_fault
from suretune.types import Fault, Text

GUARD = Guard(
    code="D014",
    name="role-tokens",
    stops=True,
    facts=Fault,
    check=for_fault("role-tokens"),
    what=Text(
        "{where}: {field} contains the role token {found}.",
        "{where}：{field}里有角色标记 {found}。",
    ),
    why=Text(
        "The template adds role tokens itself; a second set nests one turn in another.",
        "模板会自动加上角色标记；再写一遍，轮次就会互相嵌套。",
    ),
    fix=Text(
        "{hint} `--strip_role_tokens true` removes them.",
        "{hint}`--strip_role_tokens true` 会把它们去掉。",
    ),
)
