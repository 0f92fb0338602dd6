"""S017 package-too-old: an installed package is older than suretune needs.

What it looks at: the versions of torch, transformers, peft and the other packages that are used.

Why it matters: older versions name layers and settings differently, and may leave
out an adapter without an error.

Fix: install the version that the message names; `suretune setup` lists them all.

S017 package-too-old：已安装的某个包版本太低。

检查内容：torch、transformers、peft 等用到的包的版本。

影响：旧版本里层和设置的名字不同，可能漏掉适配器而不报错。

怎么改：安装检查结果给出的版本；全部版本见 `suretune setup`。
"""

from suretune.facts import SetupFacts
from suretune.guards.guard import Guard, for_setup
from suretune.types import Text

GUARD = Guard(
    code="S017",
    name="package-too-old",
    title=Text("installed version too low", "软件包版本太旧"),
    stops=True,
    facts=SetupFacts,
    check=for_setup("package-too-old"),
    what=Text(
        "{detail} is needed, but {found} is installed.", "需要 {detail}，已安装的是 {found}。"
    ),
    why=Text(
        "Older versions may leave out an adapter without an error.",
        "旧版本可能漏掉适配器而不报错。",
    ),
    fix=Text("`pip install --upgrade '{detail}'`", "`pip install --upgrade '{detail}'`"),
)
