"""R009 nothing-judged: training ended, and nothing could tell whether it worked.

What it looks at: how many questions have a right answer, and whether rows were held out.

Why it matters: a proof that cannot fail proves nothing.

Fix: give questions with `must_contain` in `--probes`, or hold rows out with
`--split_dataset_ratio 0.05`.

R009 nothing-judged：训练结束了，却没有任何东西能说明它是否有效。

检查内容：有多少个问题分得出答对答错，以及有没有留出数据。

影响：不可能失败的验证，说明不了任何问题。

怎么改：在 `--probes` 的问题里写上 `must_contain`，或用 `--split_dataset_ratio 0.05`
留出一部分数据。
"""

from suretune.facts import ProofFacts
from suretune.guards.guard import Guard, Values
from suretune.types import Text


def check(facts: ProofFacts) -> Values | None:
    if facts.probes_asked > 0 or facts.held_out_after is not None:
        return None
    return {"where": "--probes"}


GUARD = Guard(
    code="R009",
    name="nothing-judged",
    title=Text("nothing there to judge by", "没有可判断的依据"),
    stops=True,
    facts=ProofFacts,
    check=check,
    what=Text(
        "No question had a right answer, and no row was held out: 0 judged.",
        "没有一个问题有标准答案，也没有留出数据：评判了 0 项。",
    ),
    why=Text("A proof that cannot fail proves nothing.", "不可能失败的验证，说明不了任何问题。"),
    fix=Text(
        "Write `must_contain` into the `--probes`, or `--split_dataset_ratio 0.05`.",
        "在 `--probes` 的问题里写上 `must_contain`，或使用 `--split_dataset_ratio 0.05`。",
    ),
)
