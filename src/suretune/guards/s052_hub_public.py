"""S052 hub-public: the repository was there before, and everybody sees it.

What it looks at: what the hub says of the repository after it was asked for a private one, before
anything is sent. A repository that exists keeps what it is, whatever is asked of a new one.

Why it matters: an adapter holds what its rows taught it; what was public for an hour has been
copied.

Fix: give it under another name, which is made private; make the repository private on its page; or
say that it shall be seen: `suretune push RUN hf::me/name --public`.

S052 hub-public：这个仓库原来就有，而且是公开的。

检查内容：要求私有之后、上传任何内容之前，下载站对这个仓库的说明。已有的仓库不会因为请求私有而改变。

影响：适配器里有训练数据教给它的内容；公开过哪怕一小时，也可能已经被人下载。

怎么改：换一个名字（新仓库是私有的）；在网页上把它设为私有；确实要公开就写明：
`suretune push RUN hf::me/name --public`。
"""

from suretune.facts import SetupFacts
from suretune.guards.guard import Guard, Values, for_setup
from suretune.types import Text


def check(facts: SetupFacts) -> Values | None:
    """`detail`: owner/name; `found`: its page; `nearest`: the command that gives it under another
    name; `spare`: the one that lets everybody see it."""
    values = for_setup("hub-public")(facts)
    return values and {**values, "apart": facts.nearest, "public": facts.spare}


GUARD = Guard(
    code="S052",
    name="hub-public",
    title=Text("the repository is public", "仓库是公开的"),
    stops=True,
    facts=SetupFacts,
    check=check,
    what=Text(
        "{detail} was there before and is public ({found}); nothing was sent.",
        "{detail} 原来就有，而且是公开的（{found}）；什么都没有上传。",
    ),
    why=Text(
        "Everybody would see the adapter, and `--public` was not given.",
        "所有人都会看到这个适配器，而命令里没有写 `--public`。",
    ),
    fix=Text(
        "A new name is made private: `{apart}`. If everybody shall see it: `{public}`. Or make the"
        " repository private on its page.",
        "换一个名字，新仓库是私有的：`{apart}`。确实要公开：`{public}`。"
        "也可以在网页上把它设为私有。",
    ),
)
