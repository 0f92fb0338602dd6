"""V002 not-sealed: an adapter without a seal is to be served or verified.

What it looks at: whether the run has a seal, `VERIFIED.json`, which only a passed proof writes.

Why it matters: without a proof nobody knows whether the model learned what it should, or whether
what lies on the disk is what was trained.

How to mend it: `suretune report RUN` says why there is none, `suretune resume RUN` finishes a run
that was interrupted. To serve it all the same, say so: `--allow_unverified true`; the list of
models then says so too.

V002 not-sealed：要提供服务或验证的适配器没有封条。

看什么：运行文件夹里有没有封条 `VERIFIED.json`，只有通过验证才会写下它。

为什么重要：没有验证，就不知道模型有没有学会，也不知道磁盘上的文件是不是训练出来的那一份。

怎么改：`suretune report 运行文件夹` 会说明原因；中断的运行可用 `suretune resume 运行文件夹` 跑完。
确实要用它提供服务，就加上 `--allow_unverified true`，模型列表里也会标明。
"""

from suretune.guards.guard import Guard, Values, for_setup
from suretune.types import SetupFacts, Text

SERVED = Text(
    "Serve a sealed run, or add `--allow_unverified true`.",
    "改用有封条的运行，或加上 `--allow_unverified true`。",
)
WAYS = {
    "report": Text("`{0}` says why it was not given.", "`{0}` 会说明为什么没有。"),
    "resume": Text(
        "The run is not finished: `{0}` goes on and proves it.",
        "这个运行还没有完成：`{0}` 会继续并验证。",
    ),
    "verify": Text(
        "The seal is that of the whole run: `{0}` checks it.",
        "封条属于整个运行：`{0}` 会核对它。",
    ),
}


def check(facts: SetupFacts) -> Values | None:
    """`nearest`: the command that says more, where nothing is to be served."""
    values = for_setup("not-sealed")(facts)
    if values is None:
        return None
    verb = facts.nearest.removeprefix("suretune ").partition(" ")[0]
    way = WAYS.get(verb, SERVED)
    said = Text(way.en.replace("{0}", facts.nearest), way.zh.replace("{0}", facts.nearest))
    return {**values, "way": said}


GUARD = Guard(
    code="V002",
    name="not-sealed",
    stops=True,
    facts=SetupFacts,
    check=check,
    what=Text("{detail} has no seal.", "{detail} 没有封条。"),
    why=Text(
        "Nothing proves that it learned what it should.",
        "没有什么能证明它学会了该学的内容。",
    ),
    fix=Text("{way}", "{way}"),
)
