"""V012 odd-server: what answers there does not speak OpenAI's API.

What it looks at: statuses, redirects (none is followed: the key would go along), and whether
the answers have the fields of `/v1/chat/completions`.

Why it matters: a proxy, a login page or another path is no model; nothing is known about what
it serves.

Fix: give the address that ends in `/v1`, of the server itself: `curl URL/models` lists its
models.

V012 odd-server：应答的不是 OpenAI 接口。

检查内容：状态码、重定向（一律不跟随，否则密钥会被带走），以及回答是否具有 `/v1/chat/completions`
的字段。

影响：代理、登录页或错误的路径都不是模型；无从得知它提供的是什么。

怎么改：给出服务器本身、以 `/v1` 结尾的地址：
`curl URL/models` 会列出它的模型。
"""

from suretune.facts import SetupFacts
from suretune.guards.guard import Guard, for_setup
from suretune.types import Text

GUARD = Guard(
    code="V012",
    name="odd-server",
    title=Text("no OpenAI API there", "不是 OpenAI 接口"),
    stops=True,
    facts=SetupFacts,
    check=for_setup("odd-server"),
    what=Text(
        "{detail} answered otherwise than OpenAI's API: {found}",
        "{detail} 的应答不符合 OpenAI 接口：{found}",
    ),
    why=Text(
        "A proxy, a login page or an error is no answer of a model; this is no verdict on the run.",
        "代理、登录页或报错都不是模型的回答；这不是对运行的结论。",
    ),
    fix=Text(
        "Give the address of the server itself, up to `/v1`: `curl {detail}/models` must "
        "list its models.",
        "请给出服务器本身、以 `/v1` 结尾的地址：`curl {detail}/models` 应当列出它的模型。",
    ),
)
