"""D037 not-the-data: a file holds something else in place of the data.

What it looks at: its first bytes: a pointer of Git LFS, a web page, the error message of a server;
or a saved data set whose parts do not fit.

Why it matters: a download that went wrong leaves a file of the right name. Read as rows it is
called broken, and nobody can mend what was never there.

Fix: fetch the file itself, for example with `git lfs pull` in the clone, or with the download
command of `hf` or `modelscope`.

D037 not-the-data：文件里装的不是数据，而是别的东西。

检查内容：开头的几个字节：Git LFS 指针、网页、服务器的报错；或者保存得不完整的数据集。

影响：下载出错时，也会留下一个名字正确的文件。当成数据来读，只会报格式错误，而里面根本没有数据可
改。

怎么改：取回文件本身，例如在克隆下来的文件夹里运行 `git lfs pull`，或用 `hf`、`modelscope` 的下载
命令重新下载。
"""

from suretune.guards.guard import Guard, for_fault
from suretune.types import Fault, Text

GUARD = Guard(
    code="D037",
    name="not-the-data",
    title=Text("file holds no data", "文件里不是数据"),
    stops=True,
    facts=Fault,
    check=for_fault("not-the-data"),
    what=Text("{where} is not the data: {found}.", "{where} 不是数据本身：{found}。"),
    why=Text(
        "Read as rows it would only be called broken, and no change of it would help.",
        "当成数据来读，只会报格式错误，怎么改都没有用。",
    ),
    fix=Text(
        "{hint} Then look again with `suretune check --dataset {file}`.",
        "{hint}然后用 `suretune check --dataset {file}` 再检查一遍。",
    ),
)
