"""D012 gigantic-line: one record is far too large to be a row of text.

What it looks at: the size of each record, before it is parsed.

Why it matters: it is nearly always a quote that is never closed, so that the rest
of the file reads as one text.

Fix: close the quote; a row that really is that long has to be split.

D012 gigantic-line：有一条记录大得不像一条文本数据。

检查内容：解析之前每条记录的大小。

影响：这几乎总是因为有个引号没有闭合，文件剩下的部分都成了同一段文本。

怎么改：补上引号；如果数据真有这么长，就拆成几条。
"""

from suretune.guards.guard import Guard, for_fault
from suretune.types import Fault, Text

GUARD = Guard(
    code="D012",
    name="gigantic-line",
    title=Text("record far too large", "单条数据过大"),
    stops=True,
    facts=Fault,
    check=for_fault("gigantic-line"),
    what=Text("{where} is one record of {found}.", "{where} 的一条记录大小为 {found}。"),
    why=Text(
        "It is probably a quote that is never closed, with many rows behind it.",
        "多半是有个引号没有闭合，把后面很多条都包了进去。",
    ),
    fix=Text(
        "{hint} Then look again with `suretune check --dataset {file}`.",
        "{hint}改好后用 `suretune check --dataset {file}` 再检查一遍。",
    ),
)
