"""C004 no-effect: a flag would change nothing in this run, although whoever
wrote it expects that it does.

What it looks at: what each flag acts on, and whether this run has any of it. `--model_name` fills
`{{NAME}}` in the rows; rows without that placeholder stay as they are.

Why it matters: the run ends well, the model behaves as before, and the search for the
cause starts in the wrong place.

How to mend it: use the form that the message gives, or remove the flag.

C004 no-effect：这个参数在本次训练里不起任何作用，写下它的人却以为它起作用。

看什么：每个参数作用在什么上，而本次训练里有没有这样东西。例如 `--model_name` 只替换数据里的
`{{NAME}}`，数据里没有这个占位符，它就什么也不改。

为什么重要：训练顺利结束，模型却和原来一样，排查时往往从一开始就找错了地方。

怎么改：改成提示里能生效的写法，或者去掉这个参数。
"""

from suretune.guards.guard import Guard, for_flag
from suretune.types import FlagFacts, Text

GUARD = Guard(
    code="C004",
    name="no-effect",
    stops=True,
    facts=FlagFacts,
    check=for_flag("no-effect"),
    what=Text("`{typed}` changes nothing in this run.", "`{typed}` 在本次训练中不起作用。"),
    why=Text(
        "The result would lack what the flag was meant to bring.",
        "这个参数本该带来的变化，结果里不会有。",
    ),
    fix=Text("Remove `{flag}`, or put it to use. {hint}", "去掉 `{flag}`，或者让它用得上。{hint}"),
)
