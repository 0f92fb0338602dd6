"""C019 strictly-refused: with `--strict`, flags of a pasted command cannot be left out or changed.

What it looks at: what would be left out or changed otherwise and only told (C015), before anything
is read: flags that no version of a tool had (`--use_loss_scale_sampler` of `swift sft`), flags of
other tools that would do harm, and values that mean something else here.

Why it matters: who writes `--strict` wants the command as it stands, or none. A script that goes on
with other flags than it has is what `--strict` is there to prevent.

Fix: use the command that the message gives: it asks for the same, without what cannot be
had. Or leave `--strict` out.

C019 strictly-refused：加了 `--strict`，粘贴来的参数不能略去或改动。

检查内容：平时会略去或改好、只给出提示（C015）的内容，不等读取任何文件就先检查：任何版本都没有过的参数
（`swift sft` 的 `--use_loss_scale_sampler`）、其他工具里有害的参数、在这里含义不同的取值。

影响：写了 `--strict`，就是要么按原样执行，要么不执行。脚本实际运行的参数和写的不一样，
正是 `--strict` 要防止的。

怎么改：改用检查结果给出的命令，意思相同，只是去掉了做不到的部分；或者不写 `--strict`。
"""

from suretune.facts import FlagFacts
from suretune.guards.guard import Guard, Values, for_flag, listed, one_by_one
from suretune.types import Text


def check(facts: FlagFacts) -> Values | None:
    values = for_flag("strictly-refused")(facts)
    if values is None:
        return None
    runs = Text(f"Use `{facts.command}`", f"改用 `{facts.command}`")
    drop = Text("Leave them out, or `--strict`.", "去掉它们，或者去掉 `--strict`。")
    return {
        **values,
        "all": listed(facts),
        "parts": tuple(one_by_one(facts)),
        "runs": runs if facts.command else drop,
    }


GUARD = Guard(
    code="C019",
    name="strictly-refused",
    title=Text("not as it was typed", "不能按原样执行"),
    stops=True,
    facts=FlagFacts,
    check=check,
    what=Text(
        "`--strict` is given, and these would be left out or changed: {all}.",
        "加了 `--strict`，但这些要略去或改动：{all}。",
    ),
    why=Text(
        "The run would have other flags than the command.",
        "实际运行的参数就会和命令里写的不一样。",
    ),
    fix=Text("{runs}", "{runs}"),
)
