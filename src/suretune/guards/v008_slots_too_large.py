"""V008 slots-too-large: the slots that the server needs do not fit into memory.

What it looks at: keys and values of `--max_num_seqs` requests of `--max_model_len` tokens each,
against 80 % of what is free on the device.

Why it matters: all of it is taken at the start, so that no request runs out of memory later.

How to mend it: answer fewer at once, `--max_num_seqs 8`, or shorter ones, `--max_model_len 2048`.

V008 slots-too-large：服务需要的槽位放不进内存。

看什么：`--max_num_seqs` 个请求、每个 `--max_model_len` 个 token 的键和值，
与设备空闲内存的 80% 相比。

为什么重要：这些内存在启动时一次占好，之后就不会有请求把内存用完。

怎么改：同时少回答几个，`--max_num_seqs 8`；或每个短一些，`--max_model_len 2048`。
"""

from suretune.guards.guard import Guard, for_setup
from suretune.types import SetupFacts, Text

GUARD = Guard(
    code="V008",
    name="slots-too-large",
    stops=True,
    facts=SetupFacts,
    check=for_setup("slots-too-large", "--max_num_seqs"),
    what=Text(
        "{detail} tokens do not fit into memory: {found}.",
        "{detail} 个 token 放不进内存：{found}。",
    ),
    why=Text(
        "All of it is taken at the start, so that no request runs out later.",
        "这些内存在启动时一次占好，之后就不会有请求把内存用完。",
    ),
    fix=Text(
        "Lower it, `--max_num_seqs 8`, or `--max_model_len 2048`.",
        "调低它：`--max_num_seqs 8`，或 `--max_model_len 2048`。",
    ),
)
