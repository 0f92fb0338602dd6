"""S066 too-few-gpus: more GPUs are asked for than there are.

What it looks at: `--num_gpus`, or torchrun's number of processes on this machine, against the GPUs
that the driver counts and CUDA_VISIBLE_DEVICES lets be seen.

Why it matters: every process computes on a GPU of its own. Two on one would take turns, and each
has a whole copy of the base there.

Fix: `--num_gpus` with as many as there are. `--device cpu` computes on so many processes of the
CPU: slow, and good for a try.

S066 too-few-gpus：要的 GPU 比实际有的多。

检查内容：`--num_gpus`（或 `torchrun` 在本机启动的进程数）与实际的 GPU 数，后者由驱动数出，并且
CUDA_VISIBLE_DEVICES 允许看到。

影响：每个进程独占一块 GPU。两个进程挤在一块上只能轮流计算，而且各放一份完整的原模型。

怎么改：`--num_gpus` 写实际有的块数。`--device cpu` 则用同样多个进程在 CPU 上计算：慢，但可以试。
"""

from suretune.facts import SetupFacts
from suretune.guards.guard import Guard, for_setup
from suretune.types import Text

GUARD = Guard(
    code="S066",
    name="too-few-gpus",
    title=Text("more GPUs asked for than there are", "GPU 不够"),
    stops=True,
    facts=SetupFacts,
    check=for_setup("too-few-gpus", "--num_gpus"),
    what=Text(
        "{detail} GPUs are asked for, and there are {found}.",
        "要用 {detail} 块 GPU，实际有 {found} 块。",
    ),
    why=Text(
        "Every process computes on a GPU of its own.",
        "每个进程独占一块 GPU。",
    ),
    fix=Text(
        "Ask for as many as there are, or let so many processes compute on the CPU:"
        " `--device cpu`.",
        "按实际的块数写；或者让这些进程在 CPU 上计算：`--device cpu`。",
    ),
)
