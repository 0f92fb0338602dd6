"""D023 byte-order-mark: a data file begins with a byte order mark, which was skipped.

What it looks at: the first three bytes of the file.

Why it matters: suretune skips it; other programs take it for part of the first
field's name and lose that field.

Fix: nothing needs mending for suretune; save the file as UTF-8 without BOM for the others.

D023 byte-order-mark：数据文件开头有字节顺序标记（BOM），已跳过。

检查内容：文件的前三个字节。

影响：suretune 会跳过它；别的程序可能把它当成第一个字段名的一部分，从而丢掉那个字段。

怎么改：对 suretune 来说不用改；为了别的程序，可以存成不带 BOM 的 UTF-8。
"""

from suretune.guards.guard import Guard, for_fault
from suretune.types import Fault, Text

GUARD = Guard(
    code="D023",
    name="byte-order-mark",
    title=Text("byte order mark skipped", "开头的 BOM 已跳过"),
    stops=False,
    facts=Fault,
    check=for_fault("byte-order-mark"),
    what=Text(
        "{where} begins with a byte order mark (BOM), which was skipped.",
        "{where} 开头有字节顺序标记（BOM），已跳过。",
    ),
    why=Text(
        "Other programs may lose the first field because of it.", "别的程序可能因此丢掉第一个字段。"
    ),
    fix=Text(
        "Nothing needs mending here; `sed -i '1s/^\\xEF\\xBB\\xBF//' {file}` removes it "
        "for other programs. {hint}",
        "这里不用改；为了别的程序，可以用 `sed -i '1s/^\\xEF\\xBB\\xBF//' {file}` 去掉。{hint}",
    ),
)
