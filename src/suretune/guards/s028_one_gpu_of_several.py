"""S028 one-gpu-of-several: the machine has several GPUs, and the run uses one.

What it looks at: how many GPUs torch sees.

Why it matters: nobody should pay for cards that do nothing without knowing it.

Fix: `CUDA_VISIBLE_DEVICES=0` in front of the command chooses the one to use; others can serve
another run.

S028 one-gpu-of-several：机器上有几块 GPU，这次只用一块。

检查内容：torch 能看到几块 GPU。

影响：闲着的 GPU 也要花钱。

怎么改：在命令前写 `CUDA_VISIBLE_DEVICES=0` 选定要用的那块；其余的可以同时跑别的训练。
"""

from suretune.facts import SetupFacts
from suretune.guards.guard import Guard, for_setup
from suretune.types import Text

GUARD = Guard(
    code="S028",
    name="one-gpu-of-several",
    title=Text("one of several GPUs used", "只用了一块 GPU"),
    stops=False,
    facts=SetupFacts,
    check=for_setup("one-gpu-of-several", "--device"),
    what=Text(
        "One of {found} GPUs is used: {detail}.",
        "共 {found} 块 GPU，只用了一块：{detail}。",
    ),
    why=Text(
        "suretune trains on one GPU; the others do nothing.",
        "suretune 用一块 GPU 训练，其余的都闲着。",
    ),
    fix=Text(
        "`CUDA_VISIBLE_DEVICES=0` in front of the command chooses it and gives the others away.",
        "在命令前写 `CUDA_VISIBLE_DEVICES=0`，选定这一块，把其余的让出来。",
    ),
)
