"""D043 hub-no-dataset: no dataset of this name, or no such revision, is on that hub.

What it looks at: names like `owner/name` that are no local file, on the hub that the table in
docs/data.md gives.

Why it matters: the same name on the other hub may hold other rows, so it is never taken instead.

Fix: write the hub in front, `ms::owner/name` or `hf::owner/name`; for a private one set
`HF_TOKEN` or `MODELSCOPE_API_TOKEN`.

D043 hub-no-dataset：那个下载站上没有这个名字的数据集，或没有这个版本。

检查内容：形如 `owner/name`、又不是本地文件的名字，在 docs/data.md 的表所定的下载站上查找。

影响：另一个下载站上的同名数据集内容可能不同，所以不会自动改用。

怎么改：在前面写明下载站：`ms::owner/name` 或 `hf::owner/name`；私有的要设置 `HF_TOKEN` 或
`MODELSCOPE_API_TOKEN`。
"""

from suretune.facts import SetupFacts
from suretune.guards.guard import Guard, Values, for_setup, sentence
from suretune.types import Text


def check(facts: SetupFacts) -> Values | None:
    values = for_setup("hub-no-dataset")(facts)
    bare = facts.detail.removeprefix("hf::").removeprefix("ms::")
    other = "hf" if facts.spare == "ms" else "ms"
    return values and {**values, "other": f"{other}::{bare}", "hint": sentence(facts.hint)}


GUARD = Guard(
    code="D043",
    name="hub-no-dataset",
    title=Text("no such dataset on the hub", "下载站没有这个数据集"),
    stops=True,
    facts=SetupFacts,
    check=check,
    what=Text("{detail} was not found: {hint}", "找不到 {detail}：{hint}"),
    why=Text(
        "The other hub may have other rows under this name, so it is not asked.",
        "另一个下载站的同名数据集内容可能不同，所以没有改用。",
    ),
    fix=Text(
        "If the other hub is meant, write `{other}` in its place. "
        "A file here is named by its path.",
        "如果指的是另一个下载站，请改写成 `{other}`。本地文件请写路径。",
    ),
)
