"""S020 hub-unreachable: a model or a dataset is not on this machine, and the hub is out of reach.

What it looks at: whether the files of a name on a hub, Hugging Face or ModelScope, could be
fetched, or found in the hub's cache.

Why it matters: without a network the run could only guess; a mistyped path also ends here.

Fix: where there is a network, `hf download ID --local-dir DIR`, or for a name on ModelScope
`modelscope download --model ID --local_dir DIR`, then give the folder with `--model`; in China
`HF_ENDPOINT=https://hf-mirror.com` before `hf`; or set `HF_HUB_OFFLINE=1` when the model is in
the cache already.

S020 hub-unreachable：本机没有这个模型或数据集，也连不上下载站。

检查内容：下载站（Hugging Face 或魔搭）上这个名字的文件能否下载，或在它的缓存里找到。

影响：没有网络就无法下载；写错的路径也会走到这里。

怎么改：在有网络的地方执行 `hf download ID --local-dir DIR`，名字在魔搭上的用
`modelscope download --model ID --local_dir DIR`，再用 `--model` 给出文件夹；
国内用 `hf` 时可在前面加 `HF_ENDPOINT=https://hf-mirror.com`；
模型已在缓存里时设 `HF_HUB_OFFLINE=1`。
"""

import re
import shlex

from suretune.facts import SetupFacts
from suretune.guards.guard import Guard, Values, fetching, for_setup
from suretune.types import Text

HUBS = {"hf": Text("Hugging Face", "Hugging Face"), "ms": Text("ModelScope", "魔搭")}
MIRROR = Text(
    "In China `HF_ENDPOINT=https://hf-mirror.com` in front of it reaches a mirror. ",
    "国内可在前面加 `HF_ENDPOINT=https://hf-mirror.com`，从镜像下载。",
)


def check(facts: SetupFacts) -> Values | None:
    """`detail`: the name; `nearest`: model or dataset; `spare`: the hub that was asked; `hint`:
    why, where it is not `found`."""
    data = facts.nearest == "dataset"
    values = for_setup("hub-unreachable", "--dataset" if data else "--model")(facts)
    name = re.sub(r"^(?:hf|ms)::|[:@].*$", "", facts.detail)
    place = f"data/{name.rpartition('/')[2]}" if data else name.rpartition("/")[2]
    count = re.search(r"#[0-9]+$", facts.detail)
    flag = f"--dataset {shlex.quote(place + count[0])}" if data and count else f"--dataset {place}"
    flag = flag if data else f"--model {shlex.quote(place)}"
    asked, other = ("ms", "hf") if facts.spare == "ms" else ("hf", "ms")
    there = fetching(name, place, data=data, hub=other)
    values = values and {
        **values,
        "hub": HUBS[asked],
        "fetch": fetching(name, place, data=data, hub=asked),
        "flag": flag,
        "reason": facts.hint or facts.found,
        "mirror": MIRROR if asked == "hf" else Text("", ""),
        "elsewhere": Text(
            f"{HUBS[other].en} may have it, too, with other files: {there.en}.",
            f"另一个下载站（{HUBS[other].zh}）也许也有，但内容可能不同：{there.zh}。",
        ),
    }
    return values


GUARD = Guard(
    code="S020",
    name="hub-unreachable",
    title=Text("hub out of reach", "连不上下载站"),
    stops=True,
    facts=SetupFacts,
    check=check,
    what=Text(
        "`{detail}` is not here, and the hub, {hub}, could not be reached: {reason}.",
        "本机没有 `{detail}`，也连不上下载站（{hub}）：{reason}。",
    ),
    why=Text(
        "It has to be on this machine before anything can start; what has arrived is kept.",
        "要先在本机上有它才能开始；已经下载的部分都在。",
    ),
    fix=Text(
        "Where there is a network: {fetch}, then `{flag}`. {mirror}{elsewhere}",
        "在有网络的地方下载：{fetch}，再写 `{flag}`。{mirror}{elsewhere}",
    ),
)
