"""D033 not-in-sample: what a row says is not in what would be learned from it.

What it looks at: after rendering, the content, thought and calls of each answer that is learned,
and every turn, system prompt and tool before it, looked for in the text that the chat template
made. Spaces and line ends around a text are no loss, and neither are the ids of calls.

Why it matters: a template writes what its author thought of, and leaves out the rest without an
error: a call vanishes and an empty answer is learned, a thought vanishes and the answer comes from
nowhere.

Fix: train a base whose template writes what the rows say, or name one with `--chat_template`;
`--think drop` leaves thoughts out on purpose, and `--on_bad_row skip` leaves out the rows.

D033 not-in-sample：数据里写的内容，没有进入要学习的样本。

检查内容：渲染之后，在模板写出的文本里逐一查找：每个要学习的回答的正文、思考和工具调用，以及它之前
的每一轮、系统提示词和工具定义。首尾的空格和换行不算丢失，调用的 id 也不算。

影响：模板只会写出作者想到的东西，其余的不报错就丢掉：工具调用没了，学到的是空回答；思考没了，回答
就没有依据。

怎么改：换一个模板能写出这些内容的模型，或用 `--chat_template` 指定模板；
`--think drop` 表示有意不要思考过程，`--on_bad_row skip` 略过这些数据。
"""

import re

from suretune.guards.guard import Guard, Values, field, for_fault
from suretune.types import Fault, Text

TURN = re.compile(r"(?!tools\[)\w+\[(\d+)\](?!\[)")  # of a list of them


def check(fault: Fault) -> Values | None:
    values = for_fault("not-in-sample")(fault)
    if values is None:
        return None
    return {**values, "said": _said(fault.field)}


def _said(place: str) -> Text:
    """Whose words they are, by the number of their turns; several are one answer there."""
    named = place.split(", ")
    turns = [found for found in map(TURN.match, named) if found]
    there = field(place)
    if not turns or len(turns) < len(named):
        return Text(f"{there.en} says", f"{there.zh}的内容")
    *others, last = (str(int(turn[1]) + 1) for turn in turns)
    if not others:
        return Text(f"turn {last} ({there.en}) says", f"第 {last} 轮（{there.zh.strip()}）的内容")
    before, earlier = ", ".join(others), "、".join(others)
    return Text(
        f"turns {before} and {last} ({there.en}), which are one answer, say",
        f"第 {earlier} 和 {last} 轮合成一个回答（{there.zh.strip()}），其中的内容",
    )


GUARD = Guard(
    code="D033",
    name="not-in-sample",
    title=Text("row says what the sample does not", "内容没有进入样本"),
    stops=True,
    facts=Fault,
    check=check,
    what=Text(
        '{where}: {said} what the sample does not: "{found}".',
        "{where}：{said}没有进入样本：“{found}”。",
    ),
    why=Text(
        "The model would learn something else than the row says.",
        "模型学到的会和数据里写的不一样。",
    ),
    fix=Text(
        "{hint} Then look again with `suretune check --dataset {file}`.",
        "{hint}改好后用 `suretune check --dataset {file}` 再检查一遍。",
    ),
)
