"""C004 no-effect: a flag would change nothing in this run, although whoever
wrote it expects that it does.

What it looks at: what each flag acts on, and whether this run has any of it. `--model_name` fills
`{{NAME}}` in the rows; rows without that placeholder stay as they are.

Why it matters: the run ends well, the model behaves as before, and the search for the
cause starts in the wrong place.

Fix: use the form that the message gives, or remove the flag.

C004 no-effect：这个参数在本次训练里不起任何作用，写下它的人却以为它起作用。

检查内容：每个参数作用在什么上，而本次训练里有没有这样东西。例如 `--model_name` 只替换数据里的
`{{NAME}}`，数据里没有这个占位符，它就什么也不改。

影响：训练顺利结束，这个参数的效果却没有出现，排查时往往从一开始就找错了地方。

怎么改：改成检查结果给出的能生效的写法，或者去掉这个参数。
"""

from suretune.facts import FlagFacts
from suretune.guards.guard import Guard, Values, for_flag, sentence
from suretune.types import Text

OUT = ("leave ", "remove ", "without the flag")  # what a hint says that names this way itself


def check(facts: FlagFacts) -> Values | None:
    values = for_flag("no-effect")(facts)
    if values is None:
        return None
    hint = sentence(facts.hint)
    if any(word in hint.en.lower() for word in OUT):
        return {**values, "cure": hint}
    return {
        **values,
        "cure": Text(f"{hint.en} Leave `{facts.flag}` out.", f"{hint.zh}请去掉 `{facts.flag}`。"),
    }


GUARD = Guard(
    code="C004",
    name="no-effect",
    title=Text("flag without effect", "参数不起作用"),
    stops=True,
    facts=FlagFacts,
    check=check,
    what=Text("`{typed}` changes nothing in this run.", "`{typed}` 在本次训练中不起作用。"),
    why=Text(
        "The run would end well, and what the flag is meant for would not be in the result.",
        "训练会顺利结束，但这个参数的效果不会出现。",
    ),
    fix=Text("{cure}", "{cure}"),
)
