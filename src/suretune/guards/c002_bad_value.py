"""C002 bad-value: a flag was given a value that it does not accept.

What it looks at: the type, the range and the list of choices of every flag.

Why it matters: `--learning_rate 1e4` in place of `1e-4` costs a whole run, and
the loss curve does not say why.

Fix: give a value that the message lists; `suretune VERB --help` shows the type and the default of
each flag.

C002 bad-value：参数的取值不在可接受的范围内。

检查内容：每个参数的类型、范围和可选值。

影响：把 `--learning_rate 1e-4` 写成 `1e4`，整次训练就白费了，而损失曲线不会告诉你原因。

怎么改：换成检查结果列出的取值；每个参数的类型和默认值见 `suretune VERB --help`。
"""

from suretune.facts import FlagFacts
from suretune.guards.guard import EMPTY, Guard, Values, filled, for_flag
from suretune.types import Text

ACCEPTS = Text("`{help}` shows what `{flag}` accepts.", "`{flag}` 可以取哪些值，见 `{help}`。")


def check(facts: FlagFacts) -> Values | None:
    values = for_flag("bad-value")(facts)
    if values is None:
        return None
    hint = facts.hint or EMPTY
    inside = hint.en.startswith(f"{facts.value}:")  # what a file holds, no help says
    return {**values, "accepts": EMPTY if inside else filled(ACCEPTS, values)}


GUARD = Guard(
    code="C002",
    name="bad-value",
    title=Text("value not accepted", "参数值不能用"),
    stops=True,
    facts=FlagFacts,
    check=check,
    what=Text("`{flag}` does not accept `{value}`.", "`{flag}` 不接受 `{value}` 这个值。"),
    why=Text(
        "No value is guessed in its place: the run would not have the setting that is wanted.",
        "不会猜一个值来代替：那样用的就不是你要的设置。",
    ),
    fix=Text(
        "{hint} {accepts}",
        "{hint}{accepts}",
    ),
)
