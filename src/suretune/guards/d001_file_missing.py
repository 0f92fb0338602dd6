"""D001 file-missing: a data file does not exist.

What it looks at: every path of `--dataset`, taken from the folder in which the command runs.

Why it matters: a mistyped path must not turn into something else: suretune
never takes it for a name on a hub.

Fix: give the path as seen from the current folder, or the absolute path; upper and lower case
count.

D001 file-missing：数据文件不存在。

检查内容：`--dataset` 里的每个路径；相对路径从运行命令时所在的文件夹算起。

影响：训练数据必须在本机上；写错的路径不会被当成 Hugging Face 或魔搭上的名字去下载。

怎么改：写成相对当前文件夹的路径，或者绝对路径；注意区分大小写。
"""

from suretune.guards.guard import Guard, Values, for_fault
from suretune.types import Fault, Text


def check(fault: Fault) -> Values | None:
    values = for_fault("file-missing")(fault)
    if values is None:
        return None
    found, where = fault.found, values["where"]
    if isinstance(found, Text):  # it is there, and the system does not let it be read
        said = Text(f"{where} cannot be read: {found.en}.", f"读不了 {where}：{found.zh}。")
    elif found in ("", fault.origin.file):
        said = Text(f"There is no file {where}.", f"没有 {where} 这个文件。")
    else:
        said = Text(f"There is no file {where} ({found}).", f"没有 {where} 这个文件（{found}）。")
    return {**values, "said": said}


GUARD = Guard(
    code="D001",
    name="file-missing",
    title=Text("data file not found", "数据文件不存在"),
    stops=True,
    facts=Fault,
    check=check,
    what=Text("{said}", "{said}"),
    why=Text(
        "The rows have to lie on this machine; a mistyped path is never taken for a "
        "data set to download.",
        "训练数据必须在本机上；写错的路径不会被当成 Hugging Face 或魔搭上的名字去下载。",
    ),
    fix=Text(
        "{hint} Relative paths start at the current folder, which `pwd` shows.",
        "{hint}相对路径从当前文件夹算起，`pwd` 可以显示它。",
    ),
)
