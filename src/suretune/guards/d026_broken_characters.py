"""D026 broken-characters: some texts were damaged by a wrong encoding.

What it looks at: every text for U+FFFD, the mark of characters that were lost, and for text that
was written in UTF-8 and read as Latin-1, so that `é` stands there as `Ã©`.

Why it matters: the file is valid and trains without an error; the model learns to write the
damage, and the lost characters cannot be guessed.

Fix: export the rows anew from where they came from; if the file itself is in another encoding,
name it: `--encoding gb18030`.

D026 broken-characters：有些文本已经被错误的编码弄坏了。

检查内容：每段文本里有没有 U+FFFD（字符丢失后留下的替代符），以及把 UTF-8 当成 Latin-1 读出来的文
字，例如 `é` 变成了 `Ã©`。

影响：文件本身合法，训练也不报错；但模型学到的就是乱码，丢掉的字符也猜不回来。

怎么改：从原始来源重新导出；如果文件本身是别的编码，就用 `--encoding gb18030` 指明。
"""

from suretune.facts import DataFacts
from suretune.guards.guard import Guard, Values, for_learned, some
from suretune.types import Text


def check(facts: DataFacts) -> Values | None:
    if not facts.broken_text:
        return None
    return {
        "where": facts.broken_text[0],
        "count": len(facts.broken_text),
        "rows": some(facts.broken_text),
    }


GUARD = Guard(
    code="D026",
    name="broken-characters",
    title=Text("characters lost to a wrong encoding", "文本里有乱码"),
    stops=False,
    facts=DataFacts,
    check=for_learned(check),
    what=Text(
        "Rows with characters that a wrong encoding destroyed: {count} ({rows}).",
        "有 {count} 条数据的字符被错误的编码弄坏了（{rows}）。",
    ),
    why=Text(
        "The model learns to write the damage.",
        "模型会学着写出这些乱码。",
    ),
    fix=Text(
        "Export those rows anew; a file in another encoding is read with `--encoding gb18030`.",
        "重新导出这些数据；如果文件是别的编码，用 `--encoding gb18030` 读取。",
    ),
)
