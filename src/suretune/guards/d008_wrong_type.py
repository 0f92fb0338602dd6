"""D008 wrong-type: a field holds a value of the wrong type.

What it looks at: the type of each field that the record's shape gives a meaning to.

Why it matters: a number or a list in the place of a text would be written out in Python's
notation, and the model would learn that.

Fix: write the value as text; an answer that is a number needs quotes: `"output": "42"`. One that
is JSON is one string with its quotes escaped: `"output": "{\\"city\\": \\"Lima\\"}"`, as Python's
`json.dumps` makes it.

D008 wrong-type：字段的值类型不对。

检查内容：当前格式用到的每个字段的类型。

影响：该写文本的地方放了数字或列表，就会按 Python 的写法变成字符串，模型学到的就是它。

怎么改：改写成文本；回答是数字时也要加引号：`"output": "42"`。回答是 JSON 时写成一个字符串，
里面的引号要转义：`"output": "{\\"city\\": \\"Lima\\"}"`，可以用 Python 的 `json.dumps` 生成。
"""

from suretune.guards.guard import Guard, for_fault
from suretune.types import Fault, Text

GUARD = Guard(
    code="D008",
    name="wrong-type",
    title=Text("value of the wrong type", "字段的值类型不对"),
    stops=True,
    facts=Fault,
    check=for_fault("wrong-type"),
    what=Text("{where}: {field} holds {found}.", "{where}：{field}的值不对：{found}。"),
    why=Text(
        "Guessed at, it would teach the model a notation in place of an answer, or count otherwise "
        "than is meant.",
        "靠猜，学到的可能是 Python 的写法而不是回答，或者与本来的意思不同。",
    ),
    fix=Text(
        "{hint} Mend the value, then look again with `suretune check --dataset {file}`.",
        "{hint}改好后用 `suretune check --dataset {file}` 再检查一遍。",
    ),
)
