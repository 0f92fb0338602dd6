"""D010 duplicate-key: a record has the same key twice.

What it looks at: the keys of every JSON object as they stand in the file.

Why it matters: a JSON parser keeps the last value and drops the first without a word.

Fix: keep the value that is meant and delete the other one.

D010 duplicate-key：一条记录里同一个键出现了两次。

检查内容：文件里每个 JSON 对象的键。

影响：JSON 解析器只保留最后一个值，前面的值会悄悄丢掉。

怎么改：留下真正要的那个值，删掉另一个。
"""

from suretune.guards.guard import Guard, for_fault
from suretune.types import Fault, Text

GUARD = Guard(
    code="D010",
    name="duplicate-key",
    title=Text("key given twice", "同一个键出现两次"),
    stops=True,
    facts=Fault,
    check=for_fault("duplicate-key"),
    what=Text("{where}: {field} occurs twice.", "{where}：{field}出现了两次。"),
    why=Text("Only the last of the two values would be used.", "两个值里只有最后一个会生效。"),
    fix=Text(
        "{hint} Delete one of the two, then look again with `suretune check --dataset {file}`.",
        "{hint}删掉其中一个，再用 `suretune check --dataset {file}` 检查。",
    ),
)
