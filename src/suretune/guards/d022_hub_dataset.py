"""D022 hub-dataset: `--dataset` names a data set on a hub, and suretune reads local files.

What it looks at: names of the form `owner/name` that are no local file.

Why it matters: what a hub serves can change between two runs; a local file can be named,
counted and sealed with the result.

Fix: download it first and give the file: `modelscope download --dataset ID --local_dir data` or
`hf download ID --repo-type dataset --local-dir data`.

D022 hub-dataset：`--dataset` 写的是 Hugging Face 或魔搭上的数据集，而 suretune 目前只读本地文件。

检查内容：形如 `owner/name`、又不是本地文件的名字。

影响：网上的内容可能两次下载就不一样；本地文件可以逐条清点，并随验证记录一起保存。

怎么改：先下载，再给出文件：`modelscope download --dataset ID --local_dir data` 或
`hf download ID --repo-type dataset --local-dir data`。
"""

import re
import shlex

from suretune.guards.guard import Guard, Values, for_fault
from suretune.types import Fault, Text

OWNER_AND_NAME = re.compile(r"[\w.-]+/[\w.-]+")


def check(fault: Fault) -> Values | None:
    values = for_fault("hub-dataset")(fault)
    found = OWNER_AND_NAME.search(fault.origin.file)
    name = found[0] if found else "ID"
    folder = f"data/{name.rpartition('/')[2]}"  # one each: several do not mix there
    count = re.search(r"#\d+$", fault.origin.file)
    spec = shlex.quote(folder + count[0]) if count else folder
    return values and {**values, "id": name, "folder": folder, "spec": spec}


GUARD = Guard(
    code="D022",
    name="hub-dataset",
    title=Text("data set has to be downloaded", "数据集要先下载"),
    stops=True,
    facts=Fault,
    check=check,
    what=Text(
        "{where} is a data set on a hub; hubs are not read yet.",
        "{where} 是 Hugging Face 或魔搭上的数据集，目前还不能直接读取。",
    ),
    why=Text(
        "The rows have to lie on this machine before they can be counted and checked.",
        "数据要先在本地，才能逐条清点和检查。",
    ),
    fix=Text(
        "{hint} `modelscope download --dataset {id} --local_dir {folder}` or "
        "`hf download {id} --repo-type dataset --local-dir {folder}`, then `--dataset {spec}`.",
        "{hint}先下载：`modelscope download --dataset {id} --local_dir {folder}` 或 "
        "`hf download {id} --repo-type dataset --local-dir {folder}`，再写 `--dataset {spec}`。",
    ),
)
