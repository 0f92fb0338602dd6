"""D005 broken-json: a record is not valid JSON.

What it looks at: every record as it is parsed; the message gives the line and the column.

Why it matters: skipping the record would train on less than was given, and one missing
quote can swallow many records.

Fix: mend the place that the message names. The usual causes are a quote inside a text that lacks
its backslash, a comma after the last field, and full-width quotes.

D005 broken-json：有一条记录不是合法的 JSON。

检查内容：解析时检查每条记录，检查结果给出行号和列号。

影响：跳过它，训练用的数据就比你给的少；少一个引号还可能吞掉后面很多条。

怎么改：修改检查结果指出的位置。常见原因：文本里的引号没有加反斜杠，最后一个字段后面多了逗号，用了
中文引号。
"""

from suretune.guards.guard import Guard, for_fault
from suretune.types import Fault, Text

GUARD = Guard(
    code="D005",
    name="broken-json",
    title=Text("not valid JSON", "不是合法的 JSON"),
    stops=True,
    facts=Fault,
    check=for_fault("broken-json"),
    what=Text("{where} is not JSON: {found}", "{where} 不是合法的 JSON：{found}"),
    why=Text(
        "Left out, the row would be missing from training without anybody knowing.",
        "如果跳过，这条数据就不参与训练，而且没有任何提示。",
    ),
    fix=Text(
        "{hint} Mend it there, then look again with `suretune check --dataset {file}`.",
        "{hint}改好后用 `suretune check --dataset {file}` 再检查一遍。",
    ),
)
