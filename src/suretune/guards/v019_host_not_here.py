"""V019 host-not-here: the host is no address of this machine.

What it looks at: whether the name after `--host` is known, and whether its address is one of this
machine's, before a model is loaded.

Why it matters: no other port would help. A server can listen only on its own machine's addresses;
the name under which clients reach it belongs to them, or to a proxy in front.

Fix: `--host 127.0.0.1` for this machine alone, `--host 0.0.0.0` for all its addresses;
`hostname -I` lists them.

V019 host-not-here：`--host` 不是本机的地址。

检查内容：加载模型之前，`--host` 写的名字是否认识，对应的地址是不是本机的。

影响：换端口也没有用。服务只能监听本机自己的地址；客户端访问时用的名字是另一回事，属于客户端或前面
的代理。

怎么改：只在本机使用写 `--host 127.0.0.1`；监听全部地址写 `--host 0.0.0.0`；
`hostname -I` 会列出本机地址。
"""

from suretune.facts import SetupFacts
from suretune.guards.guard import Guard, for_setup
from suretune.types import Text

GUARD = Guard(
    code="V019",
    name="host-not-here",
    title=Text("--host is not this machine", "不是本机的地址"),
    stops=True,
    facts=SetupFacts,
    check=for_setup("host-not-here", "--host"),
    what=Text(
        "{detail} is no address of this machine: {found}.", "{detail} 不是本机的地址：{found}。"
    ),
    why=Text(
        "A server listens only on its own machine's addresses; another port would not help.",
        "服务只能监听本机自己的地址，换端口也没有用。",
    ),
    fix=Text(
        "`--host 127.0.0.1` is this machine alone, `--host 0.0.0.0` all its addresses.",
        "只在本机使用写 `--host 127.0.0.1`，监听全部地址写 `--host 0.0.0.0`。",
    ),
)
