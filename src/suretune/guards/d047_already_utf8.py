"""D047 already-utf8: a file is UTF-8, and was read as that though `--encoding` names another.

What it looks at: the first bytes of a text file, where `--encoding` names an encoding that is not
Unicode. Characters of three bytes, as Chinese has them, are not formed by chance in another.

Why it matters: read as another encoding, UTF-8 gives characters that nobody wrote; where they can
be read at all, the model learns them.

Fix: nothing needs mending. `--encoding` is for the files that are not UTF-8, so that files of both
kinds are read by one command.

D047 already-utf8：文件是 UTF-8，虽然 `--encoding` 指定了别的编码，仍按 UTF-8 读取。

检查内容：`--encoding` 指定了 UTF-8 以外的编码时，文本文件开头的字节。中文那样的三字节字符，在别的
编码里不会碰巧出现。

影响：把 UTF-8 当成别的编码来读，会得到没有人写过的字；只要能读通，模型就会学进去。

怎么改：不用改。`--encoding` 只用于不是 UTF-8 的文件，两种编码的文件可以用一条命令读取。
"""

from suretune.guards.guard import Guard, for_fault
from suretune.types import Fault, Text

GUARD = Guard(
    code="D047",
    name="already-utf8",
    title=Text("read as UTF-8", "按 UTF-8 读取"),
    stops=False,
    facts=Fault,
    check=for_fault("already-utf8"),
    what=Text(
        "{where} is UTF-8, and was read as that and not as {found}.",
        "{where} 是 UTF-8，已按 UTF-8 读取，没有按 {found} 读取。",
    ),
    why=Text(
        "Read as {found}, it would give characters that nobody wrote.",
        "按 {found} 来读，会得到没有人写过的字。",
    ),
    fix=Text(
        "Nothing needs mending: `--encoding` is for files that are not UTF-8. {hint}",
        "不用改：`--encoding` 只用于不是 UTF-8 的文件。{hint}",
    ),
)
