"""V004 port-busy: the address cannot be listened on.

What it looks at: whether `--host` and `--port` can be taken, before a model is loaded.

Why it matters: a server that finds this out after loading has cost minutes, and clients would go on
talking to whoever has the port. Ports below 1024 are not given to every user.

Fix: end the other server, or choose another port: `--port 8001`, or `--port 0` for any that is
free.

V004 port-busy：无法监听这个地址。

检查内容：加载模型之前，`--host` 和 `--port` 能否占用。

影响：加载完才发现，已经白等了几分钟；而客户端还会继续和占用端口的程序对话。1024 以下的端口不是每
个用户都能用。

怎么改：结束另一个服务，或换一个端口：`--port 8001`；`--port 0` 表示任意空闲端口。
"""

from suretune.facts import SetupFacts
from suretune.guards.guard import Guard, for_setup
from suretune.types import Text

GUARD = Guard(
    code="V004",
    name="port-busy",
    title=Text("address cannot be listened on", "无法监听这个地址"),
    stops=True,
    facts=SetupFacts,
    check=for_setup("port-busy", "--port"),
    what=Text("{detail} cannot be listened on: {found}.", "无法监听 {detail}：{found}。"),
    why=Text(
        "Either another program has the port, and clients would talk to that; or it is below 1024"
        " and not given to this user.",
        "要么端口被其他程序占用，客户端会去和它对话；要么端口在 1024 以下，当前用户无权使用。",
    ),
    fix=Text(
        "End the other server, or choose another port: `--port 0` takes any that is free.",
        "结束另一个服务，或换一个端口：`--port 0` 表示任意空闲端口。",
    ),
)
