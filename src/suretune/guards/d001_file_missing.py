"""D001 file-missing: a data file does not exist.

What it looks at: every path of `--dataset`, taken from the folder in which the command runs.

Why it matters: a mistyped path must not turn into something else: suretune
never takes it for a name on a hub.

How to mend it: give the path as seen from the current folder, or the absolute
path; upper and lower case count.

D001 file-missing：数据文件不存在。

看什么：`--dataset` 里的每个路径；相对路径从运行命令时所在的文件夹算起。

为什么重要：写错的路径不应该变成别的东西：suretune 不会把它当成数据平台上的名字去下载。

怎么改：写成相对当前文件夹的路径，或者绝对路径；注意区分大小写。
"""

from suretune.guards.guard import Guard, for_fault
from suretune.types import Fault, Text

GUARD = Guard(
    code="D001",
    name="file-missing",
    stops=True,
    facts=Fault,
    check=for_fault("file-missing"),
    what=Text("{where} was not found: {found}", "找不到 {where}：{found}"),
    why=Text(
        "A path is only ever a path here; nothing else is read in its place.",
        "路径就是路径，找不到时不会拿别的数据顶替。",
    ),
    fix=Text(
        "{hint} Relative paths start at the current folder, which `pwd` shows.",
        "{hint}相对路径从当前文件夹算起，`pwd` 可以显示它。",
    ),
)
