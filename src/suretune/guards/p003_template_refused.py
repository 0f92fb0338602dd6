"""P003 template-refused: the chat template refuses a row.

What it looks at: every row as the model's own template renders it; the
message carries the template's words.

Why it matters: the template is what every other program uses too. A conversation that it refuses
can be trained by a trick, but never be sent.

Fix: change the row to what the template allows, as the message says. Where a template wants user
and assistant to alternate, make two turns of one role one turn. (A template that refuses every
row is at fault itself: P008. One without a system role is no fault: D041.)

P003 template-refused：对话模板拒绝了这条数据。

检查内容：用模型自己的模板逐条渲染；检查结果引用模板给出的原话。

影响：别的程序用的也是这份模板。它拒绝的对话，就算训练进去，也没法发送。

怎么改：按检查结果把数据改成模板允许的样子。模板要求 user 和 assistant 交替时，把同一角色的两轮合
并成一轮。（什么数据都拒绝的模板，错在模板：P008。没有 system 角色的模板不算错：D041。）
"""

from suretune.guards.guard import Guard, Values, for_fault, word
from suretune.types import Fault, Text

OWN = {  # what suretune itself says of a template, not the template
    "the prompt that this template sends is not how it writes the same answer": (
        "模板发送的提示词，与它写出同一个回答时的开头不一致"
    ),
    "no end token follows the answer: the model would never stop": (
        "回答后面没有结束符：模型会停不下来"
    ),
    "a role token stands in the text": "文本里有角色标记",
}


def quoted(said: str) -> str:
    """A template's own words, which are of no language that is known."""
    return f"“{said}”"


CHANGE = Text("Change the row to what the template allows.", "请把数据改成模板允许的样子。")


def check(fault: Fault) -> Values | None:
    values = for_fault("template-refused")(fault)
    if values is None:
        return None
    hint = values["hint"] if fault.hint else CHANGE
    found = word(fault.found)
    return {**values, "hint": hint, "found": Text(found, OWN.get(found) or quoted(found))}


GUARD = Guard(
    code="P003",
    name="template-refused",
    title=Text("template refuses a row", "模板拒绝这条数据"),
    stops=True,
    facts=Fault,
    check=check,
    what=Text(
        "{where}: the chat template refuses this row: {found}",
        "{where}：对话模板拒绝了这条数据：{found}",
    ),
    why=Text(
        "What the template refuses cannot be sent to the model later either.",
        "模板拒绝的对话，以后也没法发给模型。",
    ),
    fix=Text(
        "{hint} Then look again with `suretune check --dataset {file}`.",
        "{hint}改好以后，再用 `suretune check --dataset {file}` 检查。",
    ),
)
