"""C005 harmless-no-effect: a flag changes nothing in this run, and nothing is lost by that.

What it looks at: flags that other tools need and suretune does not, such as
`--dataloader_num_workers`: the rows are tokenised before training begins.

Why it matters: it is noted so that nobody tunes a flag that does nothing.

Fix: nothing needs mending; the flag can be left out.

C005 harmless-no-effect：这个参数在本次训练里不起作用，但也没有任何损失。

检查内容：别的工具需要、suretune 不需要的参数，例如 `--dataloader_num_workers`：数据在训练开始前就
已经全部切成 token。

影响：对训练没有影响；列出来，是免得花时间去调它。

怎么改：不需要改；可以去掉这个参数。
"""

from suretune.facts import FlagFacts
from suretune.guards.guard import Guard, Values, for_flag, listed
from suretune.types import Text


def check(facts: FlagFacts) -> Values | None:
    values = for_flag("harmless-no-effect")(facts)
    if values is None:
        return None
    hints = dict.fromkeys(one.hint for one in (facts, *facts.others) if one.hint)
    every = listed(facts, reasons=False)
    return {
        **values,
        "flags": every if facts.others else f"`{facts.flag}`",
        "all": every,
        "hint": Text("", "") if len(hints) > 1 else values["hint"],
        "parts": (Text(f"{every.en}: not needed", f"{every.zh}：这里用不到"),),
    }


GUARD = Guard(
    code="C005",
    name="harmless-no-effect",
    title=Text("flags not needed here", "用不到的参数"),
    stops=False,
    facts=FlagFacts,
    check=check,
    what=Text(
        "{all}: not needed here, without effect on the run.",
        "{all}：这里用不到，不影响训练。",
    ),
    why=Text("Tuning it would be time spent on nothing.", "对训练没有影响，不必花时间去调。"),
    fix=Text(
        "Nothing needs mending; {flags} can be left out. {hint}",
        "不需要改；{flags} 可以去掉。{hint}",
    ),
)
