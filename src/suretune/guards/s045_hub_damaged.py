"""S045 hub-damaged: what arrived is not what the hub lists.

What it looks at: the size and the sha256 (or git's own id) of every file, and the paths of the
listing.

Why it matters: a mirror or a proxy that gives other bytes would be learned from, or loaded.

Fix: fetch from the hub itself: without `HF_ENDPOINT` (or `MODELSCOPE_ENDPOINT`) or a proxy, or
from the other hub, `ms::owner/name` or `hf::owner/name`.

S045 hub-damaged：下载到的内容与下载站列出的不一致。

检查内容：每个文件的大小和 SHA-256（或 Git 的对象编号），以及文件列表里的路径。

影响：镜像或代理给出别的内容，就会被拿去训练或加载。

怎么改：直接从官方站下载：去掉 `HF_ENDPOINT`（或 `MODELSCOPE_ENDPOINT`）或代理；
或者换另一个下载站：`ms::owner/name` 或 `hf::owner/name`。
"""

import shlex

from suretune.facts import SetupFacts
from suretune.guards.guard import Guard, Values, for_setup
from suretune.types import Text


def check(facts: SetupFacts) -> Values | None:
    """`detail`: the name; `nearest`: model or dataset; `spare`: the hub; `hint`: what is wrong,
    where it is not the content of a file that `found` names."""
    values = for_setup("hub-damaged")(facts)
    bare = facts.detail.removeprefix("hf::").removeprefix("ms::")
    other, mirror = ("hf", "MODELSCOPE_ENDPOINT") if facts.spare == "ms" else ("ms", "HF_ENDPOINT")
    flag = "--dataset" if facts.nearest == "dataset" else "--model"
    about = {
        "wrong": facts.hint or TWICE,
        "mirror": mirror,
        "instead": shlex.join((flag, f"{other}::{bare}")),
    }
    return values and {**values, **about}


TWICE = Text(
    "other content arrived than the hub lists, twice",
    "两次下载的内容都与下载站列出的不一致",
)


GUARD = Guard(
    code="S045",
    name="hub-damaged",
    title=Text("what arrived is not what is listed", "下载内容不符"),
    stops=True,
    facts=SetupFacts,
    check=check,
    what=Text(
        "{detail}: {wrong}: {found}.",
        "{detail}：{wrong}：{found}。",
    ),
    why=Text(
        "A mirror or a proxy on the way gives something else; nothing of it was kept.",
        "途中的镜像或代理给出了别的内容；这些内容没有保留。",
    ),
    fix=Text(
        "Try without `{mirror}` and proxies, or the other hub, whose files may be others:"
        " `{instead}`.",
        "去掉 `{mirror}` 和代理再试；或换另一个下载站（内容可能不同）：`{instead}`。",
    ),
)
