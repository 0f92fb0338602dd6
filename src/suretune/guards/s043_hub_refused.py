"""S043 hub-refused: the hub does not let this token do it.

What it looks at: answers like 401 and 403 to what was asked or sent.

Why it matters: a token that is wrong, has run out, or may only read gets nothing done however
often it is tried.

Fix: make a token with the right that is missing, and set it: `HF_TOKEN`, or
`MODELSCOPE_API_TOKEN` for ModelScope.

S043 hub-refused：下载站不允许这个令牌做这件事。

检查内容：请求或上传得到的 401、403 之类的回答。

影响：写错、过期或只读的令牌，再试多少次也没有用。

怎么改：建一个有相应权限的令牌并设置：`HF_TOKEN`；魔搭用 `MODELSCOPE_API_TOKEN`。
"""

from suretune.facts import SetupFacts
from suretune.guards.guard import Guard, Values, for_setup
from suretune.types import Text


def check(facts: SetupFacts) -> Values | None:
    values = for_setup("hub-refused")(facts)
    token, page = "HF_TOKEN", "https://huggingface.co/settings/tokens"
    if facts.spare == "ms":
        token, page = "MODELSCOPE_API_TOKEN", "https://modelscope.cn/my/myaccesstoken"
    return values and {**values, "token": token, "page": page}


GUARD = Guard(
    code="S043",
    name="hub-refused",
    title=Text("the hub refuses this token", "下载站拒绝了令牌"),
    stops=True,
    facts=SetupFacts,
    check=check,
    what=Text("{detail}: the hub refused: {found}.", "{detail}：下载站拒绝了：{found}。"),
    why=Text(
        "This token, or none, may not do it; trying again changes nothing.",
        "当前令牌（或没有令牌）没有这个权限，再试也一样。",
    ),
    fix=Text(
        "Make a token at {page} and set it: `export {token}=...`.",
        "在 {page} 建一个令牌并设置：`export {token}=...`。",
    ),
)
