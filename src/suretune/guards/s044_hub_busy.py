"""S044 hub-busy: the hub asks for fewer requests, for longer than we wait.

What it looks at: answers of 429, after several tries with growing pauses.

Why it matters: nothing is lost: what has arrived stays and is not fetched again.

Fix: run the same command again later. Requests with a token are allowed more often:
`HF_TOKEN`, or `MODELSCOPE_API_TOKEN`.

S044 hub-busy：下载站要求少发请求，而且要等的时间太长。

检查内容：多次重试、间隔越来越长之后，仍然回答 429。

影响：已经下载的部分都在，不会重新下载。

怎么改：过一会儿再运行同一条命令。带令牌的请求限额更高：`HF_TOKEN` 或 `MODELSCOPE_API_TOKEN`。
"""

from suretune.facts import SetupFacts
from suretune.guards.guard import Guard, for_setup
from suretune.types import Text

GUARD = Guard(
    code="S044",
    name="hub-busy",
    title=Text("the hub is too busy", "下载站限流"),
    stops=True,
    facts=SetupFacts,
    check=for_setup("hub-busy"),
    what=Text("{detail}: the hub is too busy: {found}.", "{detail}：下载站限流了：{found}。"),
    why=Text(
        "What has arrived stays here; the rest goes on from there.",
        "已经下载的部分都在，下次从断点继续。",
    ),
    fix=Text(
        "Run the same command again in some minutes; with `HF_TOKEN` or `MODELSCOPE_API_TOKEN` set"
        " more is allowed.",
        "几分钟后再运行同一条命令；设置 `HF_TOKEN` 或 `MODELSCOPE_API_TOKEN` 后限额更高。",
    ),
)
