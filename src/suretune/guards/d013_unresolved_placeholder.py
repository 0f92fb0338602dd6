"""D013 unresolved-placeholder: a row still has a placeholder such as `{{NAME}}`.

What it looks at: placeholders in double braces that no flag fills.

Why it matters: the model would introduce itself as `{{NAME}}`; this has happened to people
with a self-cognition data set.

Fix: fill it: `--model_name 'Swift-Robot' --model_author 'CSDN'`; or write the name into the row.

D013 unresolved-placeholder：数据里还留着 `{{NAME}}` 这样的占位符。

检查内容：双花括号里、没有参数去填的占位符。

影响：模型会自称 `{{NAME}}`；用自我认知数据集时，真有人遇到过。

怎么改：用参数填上：`--model_name 'Swift-Robot' --model_author 'CSDN'`；或者直接把名字写进数据。
"""

from suretune.guards.guard import Guard, for_fault
from suretune.types import Fault, Text

GUARD = Guard(
    code="D013",
    name="unresolved-placeholder",
    title=Text("placeholder left in a row", "数据里留着占位符"),
    stops=True,
    facts=Fault,
    check=for_fault("unresolved-placeholder"),
    what=Text("{where}: {field} still contains {found}.", "{where}：{field}里还留着 {found}。"),
    why=Text(
        "The model would learn to say the placeholder in place of a name.",
        "模型学会的会是占位符本身，而不是名字。",
    ),
    fix=Text(
        "{hint} `--model_name NAME --model_author AUTHOR` fill {{{{NAME}}}} and {{{{AUTHOR}}}}.",
        "{hint}`--model_name NAME --model_author AUTHOR` 会填上 {{{{NAME}}}} 和 {{{{AUTHOR}}}}。",
    ),
)
