"""D037 not-the-data: a file holds something else in place of the data.

What it looks at: its first bytes: a pointer of Git LFS, a web page, the error message of a server;
or a saved data set whose parts do not fit.

Why it matters: a download that went wrong leaves a file of the right name. Read as rows it is
called broken, and nobody can mend what was never there.

How to mend it: fetch the file itself, for example with `git lfs pull` in the clone, or with the
hub's own download command.

D037 not-the-data：文件里装的不是数据，而是别的东西。

看什么：开头的几个字节：Git LFS 指针、网页、服务器的报错；或者保存得不完整的数据集。

为什么重要：下载出错时，也会留下一个名字正确的文件。当成数据来读只会说格式有错，而根本没有数据可改。

怎么改：取回文件本身，例如在克隆下来的文件夹里运行 `git lfs pull`，或使用平台自己的下载命令。
"""

from suretune.guards.guard import Guard, for_fault
from suretune.types import Fault, Text

GUARD = Guard(
    code="D037",
    name="not-the-data",
    stops=True,
    facts=Fault,
    check=for_fault("not-the-data"),
    what=Text("{where} is not the data: {found}.", "{where} 不是数据本身：{found}。"),
    why=Text("There is no row in it that could be mended.", "里面没有数据可改。"),
    fix=Text(
        "{hint} Then look again with `suretune check --dataset {file}`.",
        "{hint}然后用 `suretune check --dataset {file}` 再检查一遍。",
    ),
)
