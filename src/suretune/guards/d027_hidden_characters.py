r"""D027 hidden-characters: some texts hold characters that nobody sees.

What it looks at: every text for control characters, escape sequences of terminals, marks that
reverse the direction of writing, and invisible tag characters. What emoji and Persian need is not
counted.

Why it matters: such a row says something else than it shows. The model reads and learns what is
there, instructions that were hidden on purpose included.

Fix: look at those rows in an editor that shows every character, and delete what is not
meant. The command that is printed writes a copy of the file without all of it, whether it stands
there as bytes or as JSON writes it (`\u202e`).

D027 hidden-characters：有些文本里藏着看不见的字符。

检查内容：每段文本里有没有控制字符、终端的转义序列、改变书写方向的标记和不可见的标签字符。表情符号
和波斯文需要的连接符不算。

影响：这样的数据，看到的和实际的不是一回事。模型读到、学到的是实际内容，包括有人故意藏进去的指令。

怎么改：用能显示所有字符的编辑器查看这些数据，删掉不该有的。检查结果里的命令会另存一份文件，
把这些字符全部去掉，无论是原样写的，还是 JSON 转义的（`\u202e`）。
"""

from suretune.facts import DataFacts
from suretune.guards.guard import Guard, Values, file_of, rewritten, some
from suretune.types import Text

# Bytes: terminals' sequences, marks of direction, control characters, tags. Then the same as JSON
# writes them, unless the backslash is itself a text's.
SCRIPT = (
    r"s/\x1b\[[0-9;?]*[A-Za-z]|\xe2\x80[\xaa-\xae]|\xe2\x81[\xa6-\xa9]|\xf3\xa0[\x80\x81][\x80-\xbf]"
    r"|[\x01-\x08\x0b\x0c\x0e-\x1f\x7f]//g; :a; s/(^|[^\\])((\\\\)*)"
    r"(\\u001[bB]\[[0-9;?]*[A-Za-z]|\\u202[a-eA-E]|\\u206[6-9]|\\u[dD][bB]40\\u[dD][cC][2-7][0-9a-fA-F]"
    r"|\\u00(0[1-8bcefBCEF]|1[0-9a-fA-F]|7[fF])|\\[bf])/\1\2/; ta"
)


def check(facts: DataFacts) -> Values | None:
    if not facts.hidden_text:
        return None
    return {
        "where": facts.hidden_text[0],
        "count": len(facts.hidden_text),
        "rows": some(facts.hidden_text),
        "removed": _removed(rewritten(file_of(facts.hidden_text[0]), SCRIPT)),
    }


def _removed(command: str) -> Text:
    if not command:
        return Text("", "")
    return Text(f"; this deletes all of it: `{command}`", f"；全部删掉可用：`{command}`")


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
    fix=Text("Delete what is not meant{removed}.", "删掉不该有的字符{removed}。"),
)
