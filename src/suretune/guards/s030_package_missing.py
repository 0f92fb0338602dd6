"""S030 package-missing: this needs a package that is not installed.

What it looks at: packages that only one command needs, such as Optuna for `suretune sweep`.

Why it matters: suretune itself installs without them, so that it stays small.

Fix: the command that the message names installs what is missing.

S030 package-missing：缺少这个命令需要的包。

检查内容：只有个别命令才用到的包，例如 `suretune sweep` 用的 Optuna。

影响：suretune 本身不装这些包，以保持精简。

怎么改：运行检查结果里的命令即可装上。
"""

from suretune.facts import SetupFacts
from suretune.guards.guard import Guard, Values, both, for_setup
from suretune.types import Text


def check(facts: SetupFacts) -> Values | None:
    values = for_setup("package-missing")(facts)
    found = both(facts.found)
    return values and {**values, "found": Text(found.en, found.zh.replace(", ", "、"))}


GUARD = Guard(
    code="S030",
    name="package-missing",
    title=Text("package not installed", "缺少软件包"),
    stops=True,
    facts=SetupFacts,
    check=check,
    what=Text(
        "Needed for this, and not installed: {found} ({detail}).",
        "需要 {found}，但没有安装（{detail}）。",
    ),
    why=Text(
        "It is left out of the plain installation to keep that small.",
        "默认安装不包含它，以保持精简。",
    ),
    fix=Text("`pip install '{detail}'`", "`pip install '{detail}'`"),
)
