r"""D027 hidden-characters: some texts hold characters that nobody sees.

What it looks at: every text for control characters, escape sequences of terminals, marks that
reverse the direction of writing, and invisible tag characters. What emoji and Persian need is not
counted.

Why it matters: such a row says something else than it shows. The model reads and learns what is
there, instructions that were hidden on purpose included.

Fix: look at those rows in an editor that shows every character, and delete what is not meant:
`sed -i 's/\x1b\[[0-9;]*m//g' FILE` removes the colours of a terminal.

D027 hidden-characters：有些文本里藏着看不见的字符。

检查内容：每段文本里有没有控制字符、终端的转义序列、改变书写方向的标记和不可见的标签字符。表情符号
和波斯文需要的连接符不算。

影响：这样的数据，看到的和实际的不是一回事。模型读到、学到的是实际内容，包括有人故意藏进去的指令。

怎么改：用能显示所有字符的编辑器查看这些数据，删掉不该有的；
终端颜色可以用 `sed -i 's/\x1b\[[0-9;]*m//g' FILE` 去掉。
"""

from suretune.guards.guard import Guard, Values, some
from suretune.types import DataFacts, Text


def check(facts: DataFacts) -> Values | None:
    if not facts.hidden_text:
        return None
    return {
        "where": facts.hidden_text[0],
        "count": len(facts.hidden_text),
        "rows": some(facts.hidden_text),
    }


GUARD = Guard(
    code="D027",
    name="hidden-characters",
    title=Text("characters that nobody sees", "有看不见的字符"),
    stops=False,
    facts=DataFacts,
    check=check,
    what=Text(
        "Rows with characters that nobody sees: {count} ({rows}).",
        "有 {count} 条数据含有看不见的字符（{rows}）。",
    ),
    why=Text(
        "They say something else than they show.",
        "看到的和实际的不是一回事。",
    ),
    fix=Text(
        "Delete what is not meant; `sed -i 's/\\x1b\\[[0-9;]*m//g' FILE` removes terminal colours.",
        "删掉不该有的字符；终端颜色可以用 `sed -i 's/\\x1b\\[[0-9;]*m//g' FILE` 去掉。",
    ),
)
