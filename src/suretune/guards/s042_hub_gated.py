"""S042 hub-gated: the files are there, and their owner wants a licence to be accepted first.

What it looks at: the hub's answer to the token that was sent, or to none.

Why it matters: no other address or mirror gives these files to somebody who has not accepted.

Fix: accept on the page that the message names, make a token that may read, and set it:
`export HF_TOKEN=...`.

S042 hub-gated：文件在那里，但要先接受许可协议才能下载。

检查内容：下载站对所用令牌（或没有令牌）的回答。

影响：没有接受协议的人，换地址、换镜像也下载不到。

怎么改：在检查结果给出的网页上接受协议，建一个有读取权限的令牌，再设置：`export HF_TOKEN=...`。
"""

from suretune.facts import SetupFacts
from suretune.guards.guard import Guard, Values, for_setup
from suretune.types import Text


def check(facts: SetupFacts) -> Values | None:
    """`detail`: owner/name; `spare`: the hub; `nearest`: model or dataset."""
    values = for_setup("hub-gated")(facts)
    place = "" if facts.nearest == "model" else "datasets/"
    page = f"https://huggingface.co/{place}{facts.detail}"
    token = "HF_TOKEN"
    if facts.spare == "ms":
        page = f"https://modelscope.cn/{facts.nearest}s/{facts.detail}"
        token = "MODELSCOPE_API_TOKEN"
    return values and {**values, "page": page, "token": token}


GUARD = Guard(
    code="S042",
    name="hub-gated",
    title=Text("a licence to accept first", "要先接受许可协议"),
    stops=True,
    facts=SetupFacts,
    check=check,
    what=Text(
        "{detail} is gated: {found}.",
        "{detail} 需要先接受许可协议：{found}。",
    ),
    why=Text(
        "Without that the hub gives the files to nobody.",
        "不接受协议，下载站不会把文件给任何人。",
    ),
    fix=Text(
        "Accept the licence at {page}, then `export {token}=...` with a token that may read.",
        "在 {page} 接受协议，再用有读取权限的令牌设置 `export {token}=...`。",
    ),
)
