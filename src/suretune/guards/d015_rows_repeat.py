"""D015 rows-repeat: more rows are asked for than the data has.

What it looks at: the number behind `#` or `--dataset_sample`, and the number of rows.

Why it matters: the missing rows would be repetitions. `swift/self-cognition#500` has 108 rows, so
each is seen almost five times per epoch, and nothing says so.

Fix: ask for at most as many rows as there are, or repeat them on purpose with `--repeat true`.

D015 rows-repeat：要的条数比数据里有的还多。

检查内容：`#` 或 `--dataset_sample` 后面的数字，和数据的实际条数。

影响：不够的部分只能靠重复。`swift/self-cognition#500` 只有 108 条，每一轮里每条要学将近五遍，却没
有任何提示。

怎么改：把 N 改到不超过实际条数；确实要重复，就加上 `--repeat true`。
"""

from suretune.guards.guard import EMPTY, Guard, Values, for_fault
from suretune.types import Fault, Text

WHY = Text(
    "Repeated rows are learned several times per epoch and are soon memorised.",
    "重复的数据每一轮要学好几遍，很快就变成死记硬背。",
)
MEASURED = Text("Repeated rows would only be measured again.", "重复的数据只会再评估一遍。")
REPEAT = Text(
    " To repeat rows on purpose: `--repeat true`.", "确实要重复，就加上 `--repeat true`。"
)


def check(fault: Fault) -> Values | None:
    """Rows that are only measured are not worth repeating."""
    values = for_fault("rows-repeat")(fault)
    learned = fault.flag == "--dataset"
    told = {"why": WHY, "repeat": REPEAT} if learned else {"why": MEASURED, "repeat": EMPTY}
    return values and {**values, **told}


GUARD = Guard(
    code="D015",
    name="rows-repeat",
    title=Text("more rows asked than there are", "要的条数超过实有"),
    stops=True,
    facts=Fault,
    check=check,
    what=Text(
        "`{found}` asks for more rows than {file} has.", "`{found}` 要的条数比 {file} 里的多。"
    ),
    why=Text("{why}", "{why}"),
    fix=Text("{hint}{repeat}", "{hint}{repeat}"),
)
