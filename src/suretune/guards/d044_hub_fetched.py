"""D044 hub-fetched: this came from a hub; this is which, and at what commit.

What it looks at: the hub, the commit and the files of every dataset and model that does not lie on
this machine under its name, and whether the network was used.

Why it matters: a name on a hub says nothing about tomorrow's rows or weights. The commit does: the
run keeps it and goes on with the same ones.

Fix: nothing is wrong. To take another hub or version: `ms::owner/name@revision`.

D044 hub-fetched：这些文件来自下载站；这里说明是哪个站、哪个版本。

检查内容：每个不在本机的数据集和模型的下载站、提交号和文件，以及有没有联网。

影响：同一个名字明天的内容可能就变了，提交号不会变：这次运行记下了它，继续训练用的还是
同样的数据和权重。

怎么改：不需要改。想换下载站或版本：`ms::owner/name@revision`。
"""

from suretune.facts import SetupFacts
from suretune.guards.guard import Guard, Values, for_setup, sentence
from suretune.types import Text


def check(facts: SetupFacts) -> Values | None:
    """`nearest`: the commit; `spare`: splits that were not read; `hint`: which hub, and why."""
    values = for_setup("hub-fetched")(facts)
    kept = Text(f" Not read: {facts.spare}.", f"没有读：{facts.spare}。")
    about = {
        "commit": facts.nearest,
        "kept": kept if facts.spare else "",
        "hint": sentence(facts.hint),
    }
    return values and {**values, **about}


GUARD = Guard(
    code="D044",
    name="hub-fetched",
    title=Text("fetched from a hub", "取自下载站"),
    stops=False,
    facts=SetupFacts,
    check=check,
    what=Text(
        "{detail}: {found} at commit {commit}. {hint}{kept}",
        "{detail}：{found}，版本 {commit}。{hint}{kept}",
    ),
    why=Text(
        "The run keeps this commit: a resume reads the same files.",
        "运行记下了这个版本：继续训练时读的是同样的文件。",
    ),
    fix=Text(
        "Another version is named with `@revision`, another hub with `hf::` or `ms::` in front.",
        "别的版本写 `@版本`，别的下载站在前面写 `hf::` 或 `ms::`。",
    ),
)
