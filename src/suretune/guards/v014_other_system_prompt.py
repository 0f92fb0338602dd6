"""V014 other-system-prompt: the server puts in another system prompt.

What it looks at: the same probes with the sealed system prompt sent, and with none sent, so
that the server puts in its own. One of the two gives the answers of the seal, the other does
not.

Why it matters: clients that trust the default of the server get answers that nobody proved.

Fix: serve with the sealed system prompt, as `suretune serve RUN` does, or send it with every
request; `--ignore V014` where every client does.

V014 other-system-prompt：服务器使用了不同的系统提示词。

检查内容：同样的问题问两遍：一遍带验证时的系统提示词，一遍不带，由服务器加上自己的。其中一遍的回答
与验证记录相同，另一遍不同。

影响：依赖服务器默认值的客户端，得到的是没有经过验证的回答。

怎么改：用验证时的系统提示词提供服务（`suretune serve RUN` 就是这样），或每次请求都带上它；若所有
客户端都会带上，可用 `--ignore V014`。
"""

from suretune.facts import ServedFacts
from suretune.guards.guard import Guard, for_served
from suretune.types import Text

GUARD = Guard(
    code="V014",
    name="other-system-prompt",
    title=Text("server adds another system prompt", "系统提示词不同"),
    stops=True,
    facts=ServedFacts,
    check=for_served("other-system-prompt"),
    what=Text(
        "`{model}`: with the sealed system prompt {as_sealed} of {asked} answers are the "
        "seal's, without one {default_as_sealed} of {default_asked} ({default_as_template} "
        "of {default_recorded} are what the template's own leads to). First: {first_other}",
        "`{model}`：带上验证时的系统提示词，{asked} 个回答中 {as_sealed} "
        "个与验证记录相同；不带，{default_asked} 个中 {default_as_sealed} "
        "个相同（{default_recorded} 个中 {default_as_template} "
        "个与模板自带提示词的回答相同）。第一个：{first_other}",
    ),
    why=Text(
        "Clients that trust the default of the server get answers that nobody proved.",
        "依赖服务器默认值的客户端，得到的是没有经过验证的回答。",
    ),
    fix=Text(
        "Serve with the sealed system prompt, as `suretune serve {run}` does; or send it with "
        "every request, and `--ignore V014`.",
        "用验证时的系统提示词提供服务（`suretune serve {run}` 就是这样）；"
        "或每次请求都带上它，并使用 `--ignore V014`。",
    ),
)
