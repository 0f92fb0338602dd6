"""P009 dated-prompt: the template writes today's date into every prompt.

What it looks at: whether the template asks which day it is (`strftime_now`).

Why it matters: every row is learned under the date of training. Another server writes its own date,
so that on the next day it sends a prompt that was not trained. `suretune` remembers the date and
sends it on every later day.

Fix: nothing needs mending with `suretune`. For other servers, write the date into a copy of the
template and train with it: `--chat_template FILE`.

P009 dated-prompt：模板会把当天的日期写进每个提示词。

检查内容：模板有没有询问当天的日期（`strftime_now`）。

影响：每条数据都是在训练那天的日期之下学的。别的服务程序写的是它自己的日期，到了第二天，发送的提示
词就与训练时不同。`suretune` 会记住训练的日期，以后一直发送它。

怎么改：用 `suretune` 部署时不需要改。要用别的服务程序，请在模板的副本里写定日期，用它训练：
`--chat_template FILE`。
"""

from suretune.facts import DataFacts
from suretune.guards.guard import Guard, Values, for_learned
from suretune.types import Text


def check(facts: DataFacts) -> Values | None:
    if not facts.dated or not facts.samples:
        return None
    return {"where": "--chat_template", "day": facts.dated, "samples": facts.samples}


GUARD = Guard(
    code="P009",
    name="dated-prompt",
    title=Text("template writes today's date", "模板会写入日期"),
    stops=False,
    facts=DataFacts,
    check=for_learned(check),
    what=Text(
        "The template writes the date into every prompt: {samples} samples are learned under "
        "{day}.",
        "模板会把日期写进每个提示词：{samples} 个样本都写着 {day}。",
    ),
    why=Text(
        "Another server sends its own date, a prompt that was not trained.",
        "别的服务程序会写上它自己的日期，那是没有训练过的提示词。",
    ),
    fix=Text(
        "`suretune` goes on sending this date. For other servers, write a date into a copy of the "
        "template and train with it: `--chat_template FILE`.",
        "`suretune` 会一直发送这个日期。要用别的服务程序，请在模板的副本里写定日期，"
        "再用它训练：`--chat_template FILE`。",
    ),
)
