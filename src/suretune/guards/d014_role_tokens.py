"""D014 role-tokens: a row has role tokens such as `<|im_start|>` in its text.

What it looks at: every text for the tokens with which the model's template separates the turns, for
the end tokens of other families at the end of a text (`</s>`, `<|eot_id|>`), and for rendered text
that cannot be read back into turns (what can be is read: D040).

Why it matters: the template adds them itself. Written into the text they nest one turn in
another, and the answer that is learned begins with a header or ends in a token of another model.

Fix: as the message says. `--strip_role_tokens true` takes single tokens out of every text; a
whole conversation in one text has to be mended or written as turns (`messages`), as without its
tokens nobody could tell who says what.

D014 role-tokens：数据的文本里写了 `<|im_start|>` 这类角色标记。

检查内容：每段文本里有没有对话模板用来分隔轮次的标记，末尾有没有别的模型的结束符（`</s>`、
`<|eot_id|>`），以及已经套过模板、却读不回各轮对话的文本（读得回的会直接读取：D040）。

影响：模板会自动加上这些标记。文本里再写一遍，轮次就会互相嵌套，模型要学的回答也会以一段标记开头，
或以别的模型的结束符结尾。

怎么改：照检查结果做。`--strip_role_tokens true` 会从所有文本中去掉单个标记；如果一段文本里是整个
对话，要改正标记，或写成 `messages`：去掉标记之后，谁说了什么就分不清了。
"""

from suretune.guards.guard import EMPTY, Guard, Values, for_fault
from suretune.types import Fault, Text

STRIP = Text(
    "`--strip_role_tokens true` takes it out of every text. ",
    "`--strip_role_tokens true` 会把它从所有文本中去掉。",
)


def check(fault: Fault) -> Values | None:
    if values := for_fault("role-tokens")(fault):
        return {**values, "strip": STRIP}
    values = for_fault("unreadable-rendering")(fault)  # without its tokens nobody said anything
    return values and {**values, "strip": EMPTY}


GUARD = Guard(
    code="D014",
    name="role-tokens",
    title=Text("role tokens in a row", "数据里有角色标记"),
    stops=True,
    facts=Fault,
    check=check,
    what=Text(
        "{where}: {field} contains the role token {found}.",
        "{where}：{field}里有角色标记 {found}。",
    ),
    why=Text(
        "The template adds role tokens itself; a second set nests one turn in another.",
        "模板会自动加上角色标记；再写一遍，轮次就会互相嵌套。",
    ),
    fix=Text(
        "{hint} {strip}Then look again with `suretune check --dataset {file}`.",
        "{hint}{strip}然后再用 `suretune check --dataset {file}` 检查。",
    ),
    also=("unreadable-rendering",),
)
