"""S027 gpu-not-used: a GPU was asked for, and the run computes on the CPU.

What it looks at: `CUDA_VISIBLE_DEVICES`, and whether torch can use a GPU.

Why it matters: on a CPU a 7B model takes days in place of minutes. The usual causes are a number
that is no GPU of this machine, a torch without CUDA, and a driver that is too old.

Fix: `suretune setup` shows what torch sees, `nvidia-smi -L` what the machine has. `--device cpu`
says that the CPU is meant.

S027 gpu-not-used：指定了 GPU，实际却在 CPU 上计算。

检查内容：`CUDA_VISIBLE_DEVICES` 的值，以及 torch 能不能用 GPU。

影响：在 CPU 上训练 7B 模型要几天，而不是几分钟。常见原因：编号不是本机的 GPU，装的是不带 CUDA 的
torch，驱动太旧。

怎么改：`suretune setup` 显示 torch 看到了什么，`nvidia-smi -L` 显示机器上有什么。确实要用 CPU，就
写 `--device cpu`。
"""

from suretune.facts import SetupFacts
from suretune.guards.guard import Guard, for_setup
from suretune.types import Text

GUARD = Guard(
    code="S027",
    name="gpu-not-used",
    title=Text("GPU asked for, CPU used", "没有用上 GPU"),
    stops=False,
    facts=SetupFacts,
    check=for_setup("gpu-not-used", "--device"),
    what=Text(
        "`{detail}` names a GPU, but torch {found} finds none: this run computes on the CPU.",
        "`{detail}` 指定了 GPU，但 torch {found} 一个也没找到：这次在 CPU 上计算。",
    ),
    why=Text(
        "A large model takes days there.",
        "大模型在 CPU 上要训练好几天。",
    ),
    fix=Text(
        "`suretune setup` shows card, driver and torch; `--device cpu` says that the CPU is meant.",
        "用 `suretune setup` 查看显卡、驱动和 torch 版本；确实要用 CPU，就写 `--device cpu`。",
    ),
)
