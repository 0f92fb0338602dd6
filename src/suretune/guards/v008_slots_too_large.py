"""V008 slots-too-large: the slots that the server needs do not fit into memory.

What it looks at: keys and values of `--max_num_seqs` requests of `--max_model_len` tokens each,
against 80 % of what is free on the device.

Why it matters: all of it is taken at the start, so that no request runs out of memory later.

Fix: answer fewer at once, `--max_num_seqs 8`, or shorter ones, `--max_model_len 2048`.

V008 slots-too-large：服务需要的并发槽位放不进显存（或内存）。

检查内容：`--max_num_seqs` 个请求、每个 `--max_model_len` 个 token 的键和值，与空闲显存（或内存）
的 80% 相比。

影响：这部分空间在启动时一次占好，之后就不会有请求因空间不足而失败。

怎么改：同时少回答几个，`--max_num_seqs 8`；或每个短一些，`--max_model_len 2048`。
"""

from suretune.facts import SetupFacts
from suretune.guards.guard import Guard, for_setup
from suretune.types import Text

GUARD = Guard(
    code="V008",
    name="slots-too-large",
    title=Text("slots do not fit into memory", "并发槽位放不下"),
    stops=True,
    facts=SetupFacts,
    check=for_setup("slots-too-large", "--max_num_seqs"),
    what=Text(
        "{detail} tokens do not fit into memory: {found}.",
        "{detail} 个 token 放不下：{found}。",
    ),
    why=Text(
        "All of it is taken at the start, so that no request runs out later.",
        "这部分空间在启动时一次占好，之后就不会有请求因空间不足而失败。",
    ),
    fix=Text(
        "Lower it, `--max_num_seqs 8`, or `--max_model_len 2048`.",
        "调低它：`--max_num_seqs 8`，或 `--max_model_len 2048`。",
    ),
)
