"""S053 cache-altered: what lies in the hub's cache is not what the hub listed.

What it looks at: size and sha256 (or git's own id) of every file that is used without a network,
against what was listed when it was fetched, by suretune or by the hub's own client. With a network
such a file is fetched anew without a word.

Why it matters: rows or weights that somebody edited in the cache, or that a disk has lost, would be
learned under the name of the real ones.

Fix: where there is a network, `suretune pull ID` fetches what is not right, and nothing else.

S053 cache-altered：下载站缓存里的文件，与下载站列出的不一致。

检查内容：不联网使用的每个文件的大小和 SHA-256（或 Git 的对象编号），与当初下载时列出的对比，
不管是 suretune 还是下载站自己的客户端下载的。联网时，这样的文件会直接重新下载。

影响：缓存里被改过、或因磁盘故障损坏的数据和权重，会被当成原来的内容拿去训练。

怎么改：在有网络的地方运行 `suretune pull ID`，只会重新下载不对的文件。
"""

import shlex

from suretune.facts import SetupFacts
from suretune.guards.guard import Guard, Values, for_setup
from suretune.types import Text

ASKING = ("env", "-u", "HF_HUB_OFFLINE", "-u", "MODELSCOPE_OFFLINE")  # whatever is set


def check(facts: SetupFacts) -> Values | None:
    """`detail`: the name; `found`: files; `nearest`: model or dataset; `spare`: the hub."""
    values = for_setup("cache-altered")(facts)
    bare = facts.detail.removeprefix("hf::").removeprefix("ms::").partition("#")[0]
    what = ("--dataset",) if facts.nearest == "dataset" else ()
    pull = shlex.join((*ASKING, "suretune", "pull", *what, f"{facts.spare}::{bare}"))
    return values and {**values, "pull": pull}


GUARD = Guard(
    code="S053",
    name="cache-altered",
    title=Text("the cache holds something else", "缓存内容不符"),
    stops=True,
    facts=SetupFacts,
    check=check,
    what=Text(
        "{detail}: the cache holds other content than the hub listed: {found}.",
        "{detail}：缓存里的内容与下载站列出的不一致：{found}。",
    ),
    why=Text(
        "It would be learned, or loaded, under the name of the real one.",
        "它会被当成原来的内容拿去训练或加载。",
    ),
    fix=Text(
        "Where there is a network, `{pull}` fetches anew what is not right.",
        "在有网络的地方运行 `{pull}`，会重新下载不对的文件。",
    ),
)
