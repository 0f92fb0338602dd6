"""S067 process-lost: of several processes that compute together, one is gone.

What it looks at: the connection between the process that leads and each of the others, and a beat
every second. A process that ends is missed at once, one that stands still within 10 seconds, one on
another machine that is cut off within 30.

Why it matters: an update is the sum of all processes' gradients. Without one of them nothing can be
computed, so all are ended: cards that wait for somebody who is gone cost what working cards cost.

Fix: `suretune resume RUN` goes on from the last complete checkpoint, also with another number of
processes (`--num_gpus`). SIGKILL usually means that the machine's memory ran out: `dmesg` tells.

A server's engines (`serve --num_gpus`) do without each other: there only one that is gone before
the server listens stops it. Later it is started again.

S067 process-lost：几个进程一起工作，其中一个没有了。

检查内容：主进程与其他每个进程之间的连接，以及每秒一次的心跳。进程结束会马上发现；停住不动会在
10 秒内发现；另一台机器失去联系会在 30 秒内发现。

影响：一次更新是所有进程梯度之和，少一个就算不出来，所以全部结束：空等的 GPU 和干活的 GPU 一样花钱。

怎么改：`suretune resume RUN` 从最后一个完整的检查点继续，进程数可以不同（`--num_gpus`）。
SIGKILL 多半是机器内存不足，可用 `dmesg` 查看。

服务的各个引擎（`serve --num_gpus`）互不依赖：只有在开始监听之前没有了，服务才会停止；
之后没有了会重新启动。
"""

from suretune.facts import SetupFacts
from suretune.guards.guard import Guard, Values, for_setup
from suretune.types import Text

SUM = Text(
    "An update is the sum of what all of them compute, so all are ended.",
    "一次更新是所有进程计算结果之和，所以全部结束。",
)
EACH = Text(
    "The server was asked to answer on all of them, and has not begun to listen.",
    "要求服务用上全部进程，所以没有开始监听。",
)
FEWER = Text(
    "`dmesg` tells whether memory ran out; a smaller `--num_gpus` serves without it.",
    "可用 `dmesg` 查看是不是内存不足；`--num_gpus` 写小一些，就不用它提供服务。",
)


def check(facts: SetupFacts) -> Values | None:
    """`detail`: which process; `nearest`: of how many; `spare`: the run, where there is one."""
    if values := for_setup("engine-lost", "--num_gpus")(facts):
        return {**values, "size": facts.nearest, "why": EACH, "next": FEWER}
    values = for_setup("process-lost")(facts)
    resume = f"suretune resume {facts.spare or 'RUN'}"
    onward = Text(
        f"`{resume}` goes on from the last complete checkpoint, also with another `--num_gpus`.",
        f"`{resume}` 从最后一个完整的检查点继续，`--num_gpus` 可以不同。",
    )
    return values and {**values, "size": facts.nearest, "why": SUM, "next": onward}


GUARD = Guard(
    code="S067",
    name="process-lost",
    title=Text("a process is gone", "有一个进程没有了"),
    stops=True,
    facts=SetupFacts,
    check=check,
    what=Text(
        "Process {detail} of {size} is gone: {found}.",
        "共 {size} 个进程，其中一个没有了：编号 {detail}，{found}。",
    ),
    why=Text("{why}", "{why}"),
    fix=Text("{next}", "{next}"),
    also=("engine-lost",),
)
