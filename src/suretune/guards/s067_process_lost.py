"""S067 process-lost: of several processes that train together, one is gone.

What it looks at: the connection between the process that leads and each of the others, and a beat
every second. A process that ends is missed at once, one that stands still within 10 seconds, one on
another machine that is cut off within 30.

Why it matters: an update is the sum of all processes' gradients. Without one of them nothing can be
computed, so all are ended: cards that wait for somebody who is gone cost what working cards cost.

Fix: `suretune resume RUN` goes on from the last complete checkpoint, also with another number of
processes (`--num_gpus`). SIGKILL usually means that the machine's memory ran out: `dmesg` tells.

S067 process-lost：几个进程一起训练，其中一个没有了。

检查内容：主进程与其他每个进程之间的连接，以及每秒一次的心跳。进程结束会马上发现；停住不动会在
10 秒内发现；另一台机器失去联系会在 30 秒内发现。

影响：一次更新是所有进程梯度之和，少一个就算不出来，所以全部结束：空等的 GPU 和干活的 GPU 一样花钱。

怎么改：`suretune resume RUN` 从最后一个完整的检查点继续，进程数可以不同（`--num_gpus`）。
SIGKILL 多半是机器内存不足，可用 `dmesg` 查看。
"""

from suretune.facts import SetupFacts
from suretune.guards.guard import Guard, Values, for_setup
from suretune.types import Text


def check(facts: SetupFacts) -> Values | None:
    """`detail`: which process; `nearest`: of how many; `spare`: the run, where there is one."""
    values = for_setup("process-lost")(facts)
    resume = f"suretune resume {facts.spare or 'RUN'}"
    return values and {**values, "size": facts.nearest, "resume": resume}


GUARD = Guard(
    code="S067",
    name="process-lost",
    title=Text("a process of the run is gone", "有一个进程没有了"),
    stops=True,
    facts=SetupFacts,
    check=check,
    what=Text(
        "Process {detail} of {size} is gone: {found}.",
        "共 {size} 个进程，其中一个没有了：编号 {detail}，{found}。",
    ),
    why=Text(
        "An update is the sum of what all of them compute, so all are ended.",
        "一次更新是所有进程计算结果之和，所以全部结束。",
    ),
    fix=Text(
        "`{resume}` goes on from the last complete checkpoint, also with another `--num_gpus`.",
        "`{resume}` 从最后一个完整的检查点继续，`--num_gpus` 可以不同。",
    ),
)
