"""S028 one-gpu-of-several: the machine has several GPUs, and the run uses one.

What it looks at: how many GPUs torch sees.

Why it matters: nobody should pay for cards that do nothing without knowing it.

Fix: `--num_gpus` with their number trains on all of them, each with a process of its own.
`CUDA_VISIBLE_DEVICES=0` in front of the command chooses the one to use; others can serve another
run.

S028 one-gpu-of-several：机器上有几块 GPU，这次只用一块。

检查内容：torch 能看到几块 GPU。

影响：闲着的 GPU 也要花钱。

怎么改：`--num_gpus` 写上块数，就用全部 GPU 训练，每块一个进程。在命令前写
`CUDA_VISIBLE_DEVICES=0` 选定要用的那块；其余的可以同时跑别的训练。
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
        "Unless told otherwise a run uses one GPU; the others do nothing.",
        "不特别指定时，一次训练用一块 GPU，其余的都闲着。",
    ),
    fix=Text(
        "`--num_gpus {found}` trains on all; `CUDA_VISIBLE_DEVICES=0` in front of the command"
        " chooses one and gives the others away.",
        "`--num_gpus {found}` 用全部 GPU 训练；在命令前写 `CUDA_VISIBLE_DEVICES=0`，则选定这一块，"
        "把其余的让出来。",
    ),
)
