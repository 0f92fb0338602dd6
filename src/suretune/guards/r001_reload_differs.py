"""R001 reload-differs: the adapter on disk is not the adapter that was trained.

What it looks at: a fresh process loads the saved files, counts the tensors that found their
place, and compares its logits with those in memory at the end of training.

Why it matters: an adapter that loads in part, or under other names, gives no error. The
model just answers like the base.

Fix: `suretune setup` shows whether the packages fit each other; `suretune resume RUN` repeats the
proof.

R001 reload-differs：磁盘上的适配器与训练出来的不一样。

检查内容：另起一个进程加载保存的文件，清点对得上位置的张量，并与训练结束时内存里的 logits 比较。

影响：适配器只加载了一部分，或者名字对不上，都不会报错，只是模型的回答和原模型一样。

怎么改：`suretune setup` 检查各个包的版本是否匹配；`suretune resume RUN` 重新验证。
"""

from suretune.facts import ProofFacts
from suretune.guards.guard import Guard, Values, run_path, some
from suretune.types import Text


def check(facts: ProofFacts) -> Values | None:
    complete = facts.tensors_matched == facts.tensors_saved and not facts.tensors_unexpected
    if complete and facts.logits_gap <= facts.logits_tolerance:
        return None
    return {
        "where": "adapter",
        "matched": facts.tensors_matched,
        "saved": facts.tensors_saved,
        "unexpected": some(facts.tensors_unexpected),
        "gap": facts.logits_gap,
        "tolerance": facts.logits_tolerance,
        "run": run_path(facts.run),
    }


GUARD = Guard(
    code="R001",
    name="reload-differs",
    title=Text("adapter on disk is another", "磁盘上的适配器不同"),
    stops=True,
    facts=ProofFacts,
    check=check,
    what=Text(
        "Reloaded, {matched} of {saved} tensors match, unexpected are: {unexpected}; the logits "
        "differ by {gap:.3g}, {tolerance:.3g} is allowed.",
        "重新加载后，{saved} 个张量对上了 {matched} 个，多出的张量：{unexpected}；logits 相差 "
        "{gap:.3g}，允许 {tolerance:.3g}。",
    ),
    why=Text(
        "Whoever loads these files gets another model than the one that was trained.",
        "别人加载这些文件，得到的不是训练出来的那个模型。",
    ),
    fix=Text(
        "`suretune setup` shows whether the packages fit each other; then "
        "`suretune resume {run}` repeats the proof.",
        "先用 `suretune setup` 检查各个包的版本是否匹配，再用 `suretune resume {run}` 重新验证。",
    ),
)
