"""C005 harmless-no-effect: a flag changes nothing in this run, and the run is as good without.

What it looks at: flags that other tools need and suretune does not, such as
`--dataloader_num_workers`: the rows are tokenised before training begins. And options of the other
kind of training: `--use_dora true` beside `--train_type full`.

Why it matters: it is noted so that nobody tunes a flag that does nothing, or believes that it did
something.

Fix: leave the flag out; if its effect is wanted, the message says beside what it has none.

C005 harmless-no-effect：这个参数在本次训练里不起作用，训练本身不受影响。

检查内容：别的工具需要、suretune 不需要的参数，例如 `--dataloader_num_workers`：数据在训练开始前就
已经全部切成 token。还有另一种训练方式的参数，例如与 `--train_type full` 同时出现的
`--use_dora true`。

影响：列出来，是免得花时间去调它，或以为它起了作用。

怎么改：去掉这个参数；如果需要它的效果，检查结果说明了它与哪个参数同用时不起作用。
"""

from suretune.facts import FlagFacts
from suretune.guards.guard import Guard, Values, for_flag, listed
from suretune.types import Text


def check(facts: FlagFacts) -> Values | None:
    values = for_flag("harmless-no-effect")(facts)
    if values is None:
        return None
    items = (facts, *facts.others)
    hints = dict.fromkeys(one.hint for one in items if one.hint)
    parts = _parts(items)
    return {
        **values,
        "flags": listed(facts, reasons=False) if facts.others else f"`{facts.flag}`",
        "all": Text("; ".join(p.en for p in parts), "；".join(p.zh for p in parts)),
        "hint": Text("", "") if len(hints) > 1 else values["hint"],
        "parts": parts,
    }


def _parts(items: tuple[FlagFacts, ...]) -> tuple[Text, ...]:
    """Flags that do nothing beside the same one in one phrase; `nearest` is that one."""
    parts = []
    for beside in dict.fromkeys(one.nearest for one in items):
        flags = [_typed(one) for one in items if one.nearest == beside]
        en, zh = ", ".join(flags), "、".join(flags)
        told = Text(f"{en}: not needed", f"{zh}：这里用不到")
        if beside:
            told = Text(
                f"{en}: without effect with `{beside}`",
                f"{zh}：与 `{beside}` 同用时不起作用",
            )
        parts.append(told)
    return tuple(parts)


def _typed(one: FlagFacts) -> str:
    said = f"{one.flag} {one.value}"
    return f"`{said.strip()}`"


GUARD = Guard(
    code="C005",
    name="harmless-no-effect",
    title=Text("flags without effect here", "在这里不起作用的参数"),
    stops=False,
    facts=FlagFacts,
    check=check,
    what=Text("{all}.", "{all}。"),
    why=Text("Tuning it would be time spent on nothing.", "对训练没有影响，不必花时间去调。"),
    fix=Text("{flags} can be left out. {hint}", "{flags} 可以去掉。{hint}"),
)
