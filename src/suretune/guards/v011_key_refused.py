"""V011 key-refused: the server wants another key.

What it looks at: the status 401 or 403 to a question.

Why it matters: nothing was asked, so nothing is known about what it serves.

Fix: give the key in the environment, `SURETUNE_API_KEY`, or with `--api_key`. It is sent in one
header and shown nowhere.

V011 key-refused：服务器不接受这个密钥。

检查内容：提问时是否得到 401 或 403。

影响：什么都没有问成，也就不知道它在提供什么模型。

怎么改：用环境变量 `SURETUNE_API_KEY` 或 `--api_key` 给出密钥。
它只写在一个请求头里，不会显示在任何地方。
"""

from suretune.facts import SetupFacts
from suretune.guards.guard import Guard, for_setup
from suretune.types import Text

GUARD = Guard(
    code="V011",
    name="key-refused",
    title=Text("key not accepted", "密钥被拒绝"),
    stops=True,
    facts=SetupFacts,
    check=for_setup("key-refused"),
    what=Text(
        "{detail} refused the key, or the lack of one: {found}",
        "{detail} 拒绝了密钥（或要求提供密钥）：{found}",
    ),
    why=Text(
        "Nothing was asked, so nothing is known about what it serves.",
        "什么都没有问成，也就不知道它在提供什么模型。",
    ),
    fix=Text(
        "Put the key into `SURETUNE_API_KEY`, or give `--api_key KEY`.",
        "把密钥放进环境变量 `SURETUNE_API_KEY`，或使用 `--api_key KEY`。",
    ),
)
