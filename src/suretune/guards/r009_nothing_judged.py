"""R009 nothing-judged: training ended, and nothing could tell whether it worked.

What it looks at: how many questions have a right answer, and whether rows were held out. Both are
known before training: then it is a note, so that nobody trains in vain.

Why it matters: a proof that cannot fail proves nothing.

Fix: give questions with `must_contain` in `--probes`, or hold rows out with
`--split_dataset_ratio 0.05`.

R009 nothing-judged：训练结束了，却没有任何东西能说明它是否有效。

检查内容：有多少个问题分得出答对答错，以及有没有留出数据。这些在训练之前就知道，会先给出提示，免得白白训练。

影响：不可能失败的验证，说明不了任何问题。

怎么改：在 `--probes` 的问题里写上 `must_contain`，或用 `--split_dataset_ratio 0.05`
留出一部分数据。
"""

import math

from suretune.facts import JudgedFacts
from suretune.guards.guard import Guard, Values
from suretune.types import Text

AHEAD = Text(
    "No question has a right answer, and no row is held out: nothing can be judged, so the run will"
    " end without a seal.",
    "没有一个问题有标准答案，也没有留出数据：没有可以评判的内容，训练结束时不会通过验证。",
)
AFTER = Text(
    "No question had a right answer, and no row was held out: 0 judged.",
    "没有一个问题有标准答案，也没有留出数据：评判了 0 项。",
)


def check(facts: JudgedFacts) -> Values | None:
    if facts.questions > 0 or facts.held_out:
        return None
    told = AHEAD if facts.ahead else AFTER
    return {"where": "--probes", "told": told, "cure": _cure(facts.rows)}


def _cure(rows: int) -> Text:
    """The share that holds a row out, of a single one there is none."""
    if rows == 1:
        return Text("add rows: one cannot be divided", "增加数据：一条没法再分")
    share = max(0.05, math.ceil(100 / rows) / 100) if rows else 0.05
    return Text(f"`--split_dataset_ratio {share:g}`", f"使用 `--split_dataset_ratio {share:g}`")


GUARD = Guard(
    code="R009",
    name="nothing-judged",
    title=Text("nothing there to judge by", "没有可判断的依据"),
    stops=True,
    facts=JudgedFacts,
    check=check,
    what=Text("{told}", "{told}"),
    why=Text("A proof that cannot fail proves nothing.", "不可能失败的验证，说明不了任何问题。"),
    fix=Text(
        "Write `must_contain` into the `--probes`, or {cure}.",
        "在 `--probes` 的问题里写上 `must_contain`，或{cure}。",
    ),
)
