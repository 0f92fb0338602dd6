"""V002 not-sealed: an adapter without a seal is to be served or verified.

What it looks at: whether the run has a seal, `VERIFIED.json`, which only a passed proof writes.

Why it matters: without a proof nobody knows whether the model learned what it should, or whether
what lies on the disk is what was trained. Of a proof that was made and did not hold, it says for
what.

Fix: `suretune report RUN` says why there is none, `suretune resume RUN` finishes a run that was
interrupted; wait for one that is still trained. To serve it all the same, say so:
`--allow_unverified true`; the list of models then says so too.

V002 not-sealed：要提供服务或重新验证的适配器没有通过验证。

检查内容：运行文件夹里有没有验证记录 `VERIFIED.json`：只有验证通过才会写下它。

影响：没有验证，就不知道模型有没有学会，也不知道磁盘上的文件是不是训练出来的那一份。
验证过但没有通过的，会说明原因。

怎么改：`suretune report 运行文件夹` 会说明原因；中断的运行可用 `suretune resume 运行文件夹` 跑完；
还在训练的，等它结束。确实要用它提供服务，就加上 `--allow_unverified true`，模型列表里也会标明。
"""

from suretune.facts import SetupFacts
from suretune.guards.guard import EMPTY, Guard, Values, for_setup, word
from suretune.types import Text

SERVED = Text(
    "Serve a sealed run, or add `--allow_unverified true`.",
    "改用验证通过的运行，或加上 `--allow_unverified true`。",
)
EXPORTED = Text(
    "Export a sealed run, or add `--unverified`.",
    "改为导出验证通过的运行，或加上 `--unverified`。",
)
ALL_THE_SAME = {
    "export": Text(
        " `--unverified` exports it all the same.",
        "加上 `--unverified` 也可以照样导出。",
    ),
    "push": Text(
        " `--unverified` gives it all the same, and the card says so.",
        "加上 `--unverified` 也可以照样上传，说明页会写明。",
    ),
}
NAMED = Text(
    "Name a run that is sealed; `suretune sft` makes one.",
    "改用验证通过的运行；`suretune sft` 会生成一个。",
)
WAYS = {
    "report": Text("`{0}` says why it was not given.", "没有通过的原因见 `{0}`。"),
    "resume": Text(
        "`{0}` goes on from what is there, and proves it.",
        "`{0}` 会从已有的部分继续，并进行验证。",
    ),
    "verify": Text(
        "The seal is that of the whole run: `{0}` checks it.",
        "验证记录属于整个运行：`{0}` 会重新验证它。",
    ),
}

UNKNOWN = Text(
    "Whether it learned what it should, nobody knows.",
    "没有通过验证，就不知道模型有没有学会该学的内容。",
)


def check(facts: SetupFacts) -> Values | None:
    """`nearest`: the command that says more, where nothing is to be served; `hint`: what stands in
    its place; `found`: for what its proof did not hold."""
    values = for_setup("not-sealed")(facts)
    if values is None:
        return None
    if facts.hint:
        return {**values, "why": UNKNOWN, "way": facts.hint}
    verb = facts.nearest.removeprefix("suretune ").partition(" ")[0]
    way = WAYS.get(verb) or {"export": EXPORTED, "serve": SERVED}.get(facts.spare, NAMED)
    more = ALL_THE_SAME.get(facts.spare, EMPTY) if verb in WAYS else EMPTY
    said = Text(
        way.en.replace("{0}", facts.nearest) + more.en,
        way.zh.replace("{0}", facts.nearest) + more.zh,
    )
    return {**values, "why": _why(word(facts.found)), "way": said}


def _why(reasons: str) -> Text:
    """What is known of an adapter without a seal."""
    if not reasons:
        return UNKNOWN
    return Text(f"Its proof did not hold: {reasons}.", f"它的验证没有通过：{reasons}。")


GUARD = Guard(
    code="V002",
    name="not-sealed",
    title=Text("adapter not sealed", "没有通过验证"),
    stops=True,
    facts=SetupFacts,
    check=check,
    what=Text("{detail} has no seal.", "{detail} 没有验证记录。"),
    why=Text("{why}", "{why}"),
    fix=Text("{way}", "{way}"),
)
