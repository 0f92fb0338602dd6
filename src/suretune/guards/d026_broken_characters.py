r"""D026 broken-characters: some texts were damaged on their way out of another program.

What it looks at: every text for U+FFFD, the mark of characters that were lost; for text that was
written in UTF-8 and read as Latin-1, so that `é` stands there as `Ã©`; and for characters as the
files of Excel write them (`_x000D_`), which not every program that reads such a file turns back.

Why it matters: the file is valid and trains without an error; the model learns to write the
damage, and the lost characters cannot be guessed.

Fix: export the rows anew from where they came from; if the file itself is in another encoding,
name it: `--encoding gb18030`. Excel's marks are taken out of a copy of the file by the command that
is printed; saved from Excel as CSV (UTF-8), a sheet has none.

D026 broken-characters：有些文本从别的程序导出时已经坏了。

检查内容：每段文本里有没有 U+FFFD（字符丢失后留下的替代符），有没有把 UTF-8 当成 Latin-1 读出来的文
字，例如 `é` 变成了 `Ã©`；还有 Excel 文件内部的写法，例如 `_x000D_`：有的程序读表格时不会还原。

影响：文件本身合法，训练也不报错；但模型学到的就是乱码，丢掉的字符也猜不回来。

怎么改：从原始来源重新导出；如果文件本身是别的编码，就用 `--encoding gb18030` 指明。Excel 的这种写
法，用检查结果里的命令另存一份去掉它的文件；从 Excel 里另存为 CSV（UTF-8）就不会有。
"""

from suretune.facts import DataFacts
from suretune.guards.guard import Guard, Values, file_of, for_learned, rewritten, some
from suretune.types import Text

# An escaped `_` is set aside first: `_x005F_x000D_` is what a cell that speaks of `_x000D_` holds.
SCRIPT = (
    r"s/_x005[fF]_/\x01/g"
    r"; s/_x(000[dD]|[dD][89a-fA-F][0-9a-fA-F]{2}|[fF]{3}[eEfF]|[fF][eE][fF]{2})_//g"
    r"; s/_x00([01][0-9a-fA-F]|7[fF])_/ /g; s/\x01/_/g"
)
EXPORT = Text(
    "Export those rows anew; a file in another encoding is read with `--encoding gb18030`.",
    "重新导出这些数据；如果文件是别的编码，用 `--encoding gb18030` 读取。",
)


def check(facts: DataFacts) -> Values | None:
    broken, escaped = facts.broken_text, facts.escaped_text
    if not broken and not escaped:
        return None
    said, cures = [], []
    if broken:
        rows = some(broken)
        said.append(
            Text(
                f"Rows with characters that a wrong encoding destroyed: {len(broken)} ({rows.en}).",
                f"有 {len(broken)} 条数据的字符被错误的编码弄坏了（{rows.zh}）。",
            )
        )
        cures.append(EXPORT)
    if escaped:
        rows = some(escaped)
        said.append(
            Text(
                f"Rows with characters as Excel's files write them, `_x000D_` or the like: "
                f"{len(escaped)} ({rows.en}).",
                f"有 {len(escaped)} 条数据的字符还是 Excel 文件内部的写法（`_x000D_` 之类）"
                f"（{rows.zh}）。",
            )
        )
        cures.append(_taken_out(rewritten(file_of(escaped[0]), SCRIPT)))
    return {
        "where": (broken or escaped)[0],
        "said": _joined(said),
        "cure": _joined(cures),
    }


def _taken_out(command: str) -> Text:
    told = Text(
        "Saved from Excel as CSV (UTF-8), a sheet has none",
        "从 Excel 里另存为 CSV（UTF-8）就不会有",
    )
    if not command:
        return Text(f"{told.en}.", f"{told.zh}。")
    return Text(
        f"{told.en}; this takes it out of a copy: `{command}`.",
        f"{told.zh}；另存一份去掉它的文件：`{command}`。",
    )


def _joined(texts: list[Text]) -> Text:
    return Text(" ".join(text.en for text in texts), "".join(text.zh for text in texts))


GUARD = Guard(
    code="D026",
    name="broken-characters",
    title=Text("characters that an export damaged", "文本里有乱码"),
    stops=False,
    facts=DataFacts,
    check=for_learned(check),
    what=Text("{said}", "{said}"),
    why=Text(
        "The model learns to write the damage.",
        "模型会学着写出这些乱码。",
    ),
    fix=Text("{cure}", "{cure}"),
)
