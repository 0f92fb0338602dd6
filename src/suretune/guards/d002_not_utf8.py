"""D002 not-utf8: a data file is not encoded in UTF-8.

What it looks at: every byte of the file, against the encoding that
`--encoding` names, UTF-8 by default.

Why it matters: guessing the encoding turns Chinese text into other
characters, and the model learns those.

Fix: name the encoding, `--encoding gb18030`, or convert the file:
`iconv -f GB18030 -t UTF-8 old.jsonl > new.jsonl`.

D002 not-utf8：数据文件不是 UTF-8 编码。

检查内容：用 `--encoding` 指明的编码（默认 UTF-8）检查文件的每个字节。

影响：猜错编码，中文就会变成乱码，模型学到的也是乱码。

怎么改：用 `--encoding gb18030` 指明编码，或者转换文件：
`iconv -f GB18030 -t UTF-8 old.jsonl > new.jsonl`。
"""

from suretune.guards.guard import EMPTY, Guard, Values, for_fault
from suretune.types import Fault, Text

USUAL = Text(
    " A file saved on a Chinese Windows is often `--encoding gb18030`.",
    "中文 Windows 上保存的文件，常常要用 `--encoding gb18030`。",
)


def check(fault: Fault) -> Values | None:
    """`field` is `name` where it is the file's name that is not UTF-8; a hint may know more than
    what is usual."""
    values = for_fault("not-utf8")(fault)
    known = fault.field == "name" or (fault.hint and "--encoding" in fault.hint.en)
    return values and {**values, "usual": EMPTY if known else USUAL}


GUARD = Guard(
    code="D002",
    name="not-utf8",
    title=Text("not UTF-8", "不是 UTF-8 编码"),
    stops=True,
    facts=Fault,
    check=check,
    what=Text("{where} is not UTF-8: {found}.", "{where} 不是 UTF-8 编码：{found}。"),
    why=Text(
        "A guessed encoding would teach the model garbled text.", "猜错编码，模型学到的就是乱码。"
    ),
    fix=Text("{hint}{usual}", "{hint}{usual}"),
)
