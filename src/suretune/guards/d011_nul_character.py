"""D011 nul-character: a text contains the character NUL.

What it looks at: every text for U+0000, which comes from damaged exports and
from UTF-16 files read as UTF-8.

Why it matters: other programs take it for the end of the text, so they see another row
than the one that was trained.

Fix: remove the character with the `sed` that is printed, or convert the file
from UTF-16 with `iconv`.

D011 nul-character：文本里含有 NUL 字符。

检查内容：每段文本里有没有 U+0000；它多半来自损坏的导出文件，或者被当作 UTF-8 读取的 UTF-16 文件。

影响：别的程序会把它当作文本结尾，看到的就和训练时的不是同一条数据。

怎么改：用检查结果里的 `sed` 命令删掉这个字符；如果文件是 UTF-16，就用 `iconv` 转换。
"""

import re

from suretune.guards.guard import EMPTY, Guard, Values, for_fault, rewritten
from suretune.types import Fault, Text

_SELECTED = for_fault("nul-character")
# As a byte, and as JSON writes it; `\\\\u0000` in a file is a text that speaks of it.
SCRIPT = r"s/\x00//g; :a; s/(^|[^\\])((\\\\)*)\\u0000/\1\2/; ta"


def check(fault: Fault) -> Values | None:
    values = _SELECTED(fault)
    if values is None:
        return None
    command = rewritten(re.sub(r"#\d+$", "", fault.origin.file), SCRIPT)
    removed = Text(f"`{command}` removes it.", f"`{command}` 可以把它删掉。")
    return {**values, "removed": removed if command else EMPTY}


GUARD = Guard(
    code="D011",
    name="nul-character",
    title=Text("NUL character in a text", "文本含有 NUL 字符"),
    stops=True,
    facts=Fault,
    check=check,
    what=Text(
        "{where}: {field} contains the character NUL (U+0000).",
        "{where}：{field}含有 NUL 字符（U+0000）。",
    ),
    why=Text(
        "Other programs end the text there, so they would not see what was trained.",
        "别的程序读到这里就结束，看到的内容与训练时不同。",
    ),
    fix=Text("{hint} {removed}", "{hint}{removed}"),
)
