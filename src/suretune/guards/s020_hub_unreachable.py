"""S020 hub-unreachable: the model is not on this machine, and the hub could not be reached.

What it looks at: whether the files of a hub id could be fetched, or found in the hub's cache.

Why it matters: without a network the run could only guess; a mistyped path also ends here.

How to mend it: `hf download ID` where there is a network, then give the folder with `--model`;
in China `HF_ENDPOINT=https://hf-mirror.com` before the command; or set `HF_HUB_OFFLINE=1` when the
model is in the cache already.

S020 hub-unreachable：本机没有这个模型，也连不上 hub。

看什么：hub 上这个名字的文件能否下载，或在 hub 缓存里找到。

为什么重要：没有网络就无从取得模型；写错的路径也会走到这里。

怎么改：在有网络的地方执行 `hf download ID`，再用 `--model` 给出文件夹；国内可在命令前加
`HF_ENDPOINT=https://hf-mirror.com`；模型已在缓存里时设 `HF_HUB_OFFLINE=1`。
"""

from suretune.guards.guard import Guard, for_setup
from suretune.types import SetupFacts, Text

GUARD = Guard(
    code="S020",
    name="hub-unreachable",
    stops=True,
    facts=SetupFacts,
    check=for_setup("hub-unreachable", "--model"),
    what=Text(
        "`{detail}` is no folder here, and the hub could not be reached: {found}",
        "`{detail}` 不是本机上的文件夹，也连不上 hub：{found}",
    ),
    why=Text(
        "The model has to be on this machine before anything can start.",
        "模型必须先在本机上，才能开始。",
    ),
    fix=Text(
        "`hf download {detail}` where there is a network (`HF_ENDPOINT=https://hf-mirror.com` in "
        "China), or give the folder with `--model`.",
        "在有网络的地方执行 `hf download {detail}`"
        "（国内可加 `HF_ENDPOINT=https://hf-mirror.com`），或用 `--model` 给出文件夹。",
    ),
)
