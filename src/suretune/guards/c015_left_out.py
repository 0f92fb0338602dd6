"""C015 left-out: flags that could do nothing here, or would do harm, were left out or mended.

What it looks at: flags that no version of the tool had (`--use_loss_scale_sampler`), that have
nothing to act on (`--model_author` where no row has `{{AUTHOR}}`), intervals beyond the run
(`--eval_steps 50` of 10 updates), role tokens in `--system`.

Why it matters: articles print such flags, and what they promise of them does not come. The run goes
on without them; it means what was meant. With `--strict` each of them stops it.

Fix: nothing has to be done. The message gives the command as it runs; keep that one.

C015 left-out：有些参数在本次训练中不可能起作用，或者有害，已经略去或改好。

检查内容：任何版本都没有过的参数（`--use_loss_scale_sampler`）、没有东西可作用的参数（数据里没有
`{{AUTHOR}}` 却写了 `--model_author`）、超出训练长度的间隔（只有 10 次更新却写
`--eval_steps 50`）、`--system` 里的角色标记。

影响：网上的教程里常有这样的参数，但教程所说的效果不会出现。训练照常进行，意思不变；加上
`--strict`，遇到它们就停止。

怎么改：不需要改。检查结果里给出了实际运行的命令，以后用它就行。
"""

from suretune.facts import FlagFacts
from suretune.guards.guard import Guard, Values, for_flag, listed, one_by_one
from suretune.types import Text


def check(facts: FlagFacts) -> Values | None:
    values = for_flag("left-out")(facts)
    runs = Text(f"This is what runs: `{facts.command}`", f"实际运行的是：`{facts.command}`")
    again = Text("Leave them out.", "以后可以不写。")
    return values and {
        **values,
        "all": listed(facts),
        "parts": tuple(one_by_one(facts)),
        "runs": runs if facts.command else again,
    }


GUARD = Guard(
    code="C015",
    name="left-out",
    title=Text("flags left out or mended", "已略去或改好的参数"),
    stops=False,
    facts=FlagFacts,
    check=check,
    what=Text("Left out, or mended: {all}.", "已略去或改好：{all}。"),
    why=Text(
        "They do nothing here, or would do harm. With `--strict` the run stops for them.",
        "它们在这里不起作用，或者有害。加 `--strict`，遇到就停止。",
    ),
    fix=Text("{runs}", "{runs}"),
)
