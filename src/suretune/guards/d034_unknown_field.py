"""D034 unknown-field: a field that nobody reads holds a part of what the rows say.

What it looks at: fields of rows that no known shape has, once they hold a fifth of the text of
their dataset together (ids, labels, scores, links and the like are only told, D035); a system
prompt under another name; what can be chosen, where the answer only names it; a row that says
of itself that it is not to be learned (`is_correct` of false); what calls some answers wrong
(`score` of 0 and 1, `grade` of `wrong`); and every key of a turn or a call that is neither known
nor bookkeeping.

Why it matters: the schema that a query needs, or the reasons of an answer, would be passed over;
and a key of a turn may be another tool's way to say that it must not be learned.

Fix: write the text where it belongs, or say that it is left out on purpose:
`--ignore_fields a,b`. What must not be learned has `"weight": 0`; answers that a field calls wrong
are left out by `--on_bad_row skip --columns grade=is_correct`.

D034 unknown-field：数据的一部分内容写在不会读取的字段里。

检查内容：不属于任何已知格式、合计却占了数据集文字两成以上的字段（编号、标签、分数、链接等只作说明，
见 D035）；换了名字的系统提示词；回答只写了选哪个时的选项；标明不该学习的数据
（`is_correct` 为 `false`）；说明哪些回答不对的字段（`score` 为 0 和 1、`grade` 为 `wrong`）；以及
一轮对话或一次调用里既不认识、也不是记录信息的键。

影响：查询要用的表结构、回答的理由会被直接略过；一轮里的键，还可能是别的工具标记“不要学习”的写法。

怎么改：把文字写到该写的地方，或写明是有意不用：`--ignore_fields a,b`。
不该学习的轮次写 `"weight": 0`；字段标明不对的回答，用
`--on_bad_row skip --columns grade=is_correct` 略过。
"""

from suretune.guards.guard import Guard, for_fault
from suretune.types import Fault, Text

GUARD = Guard(
    code="D034",
    name="unknown-field",
    title=Text("field nobody reads", "不认识的字段"),
    stops=True,
    facts=Fault,
    check=for_fault("unknown-field"),
    what=Text(
        "{where}: {field} is not known and would be passed over ({found}).",
        "{where}：不认识的字段 {field}会被略过（{found}）。",
    ),
    why=Text(
        "What it says would be missing from what is learned, or what it forbids would be learned.",
        "它写的内容学不到，它禁止的内容却可能被学进去。",
    ),
    fix=Text(
        "{hint} Then look again with `suretune check --dataset {file}`.",
        "{hint}改好后用 `suretune check --dataset {file}` 再检查一遍。",
    ),
)
