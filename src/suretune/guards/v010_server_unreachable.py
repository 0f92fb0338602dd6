"""V010 server-unreachable: the server does not answer.

What it looks at: the connection to the server, and whether each answer came within its time.

Why it matters: without answers nothing is known about what it serves. A server that is still
loading its model, or only listens on another address, looks like this.

Fix: `curl URL/models` from this machine; wait until the server has loaded its model, then
`suretune verify URL --run RUN` again. `--timeout 600` waits longer for each answer.

V010 server-unreachable：服务器没有应答。

检查内容：能否连上服务器，每个回答是否按时到达。

影响：没有回答，就不知道它在提供什么模型。仍在加载模型、或只监听其他地址的服务器也是这样。

怎么改：先在本机执行 `curl URL/models`；等服务器加载完模型，
再执行 `suretune verify URL --run RUN`。
`--timeout 600` 让每个回答等得更久。
"""

from suretune.facts import SetupFacts
from suretune.guards.guard import Guard, Values, for_setup
from suretune.types import Text


def check(facts: SetupFacts) -> Values | None:
    """`nearest`: the command that asked."""
    values = for_setup("server-unreachable")(facts)
    asked = facts.nearest or f"suretune verify {facts.detail} --run RUN"
    return values and {**values, "asked": asked}


GUARD = Guard(
    code="V010",
    name="server-unreachable",
    title=Text("server does not answer", "服务器没有应答"),
    stops=True,
    facts=SetupFacts,
    check=check,
    what=Text(
        "{detail} gave no answer: {found}.",
        "{detail} 没有应答：{found}。",
    ),
    why=Text(
        "Nothing is known about a server that does not answer; this is no verdict on the run.",
        "服务器不应答，就无从得知它提供的是什么；这不是对运行的结论。",
    ),
    fix=Text(
        "`curl {detail}/models` from this machine; when that works, `{asked}` "
        "again. `--timeout 600` waits longer for each answer.",
        "先在本机执行 `curl {detail}/models`；"
        "能通之后再执行 `{asked}`。"
        "`--timeout 600` 让每个回答等得更久。",
    ),
)
