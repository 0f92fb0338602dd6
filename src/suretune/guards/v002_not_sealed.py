"""V002 not-sealed: an adapter without a seal is to be served.

What it looks at: whether the run has a seal, `VERIFIED.json`, which only a passed proof writes.

Why it matters: without a proof nobody knows whether the model learned what it should, or whether
what lies on the disk is what was trained.

How to mend it: serve a run that was sealed; or say that you want this one all the same:
`--allow_unverified true`. The list of models then says so too.

V002 not-sealed：要提供服务的适配器没有封条。

看什么：运行文件夹里有没有封条 `VERIFIED.json`，只有通过验证才会写下它。

为什么重要：没有验证，就不知道模型有没有学会，也不知道磁盘上的文件是不是训练出来的那一份。

怎么改：改用有封条的运行；确实要用这一个，就加上 `--allow_unverified true`，
模型列表里也会标明。
"""

from suretune.guards.guard import Guard, for_setup
from suretune.types import SetupFacts, Text

GUARD = Guard(
    code="V002",
    name="not-sealed",
    stops=True,
    facts=SetupFacts,
    check=for_setup("not-sealed"),
    what=Text("{detail} has no seal.", "{detail} 没有封条。"),
    why=Text(
        "Nothing proves that it learned what it should.",
        "没有什么能证明它学会了该学的内容。",
    ),
    fix=Text(
        "Serve a sealed run, or add `--allow_unverified true`.",
        "改用有封条的运行，或加上 `--allow_unverified true`。",
    ),
)
