"""D021 unknown-format: a data file is of a kind that suretune does not read.

What it looks at: the ending of the file's name, its first bytes, and whether a
compressed file can be unpacked.

Why it matters: a spreadsheet or an archive read as text gives rows that mean nothing.

Fix: save the data as JSON Lines: one record on each line, in a file that ends in `.jsonl`.

D021 unknown-format：suretune 读不了这种格式的数据文件。

检查内容：文件的扩展名、开头的几个字节，以及压缩文件能否解开。

影响：把表格文件或压缩包当文本读，得到的数据毫无意义。

怎么改：存成 JSON Lines：每行一条记录，文件名以 `.jsonl` 结尾。
"""

from suretune.guards.guard import Guard, Values, for_fault, written
from suretune.types import Fault, Text


def check(fault: Fault) -> Values | None:
    values = for_fault("unknown-format")(fault)
    file = written(fault.hint) or "rows.jsonl"
    return values and {**values, "flag": fault.flag, "file": file}


GUARD = Guard(
    code="D021",
    name="unknown-format",
    title=Text("file format not readable", "读不了的文件格式"),
    stops=True,
    facts=Fault,
    check=check,
    what=Text("{where} cannot be read as data: {found}.", "{where} 无法当作数据读取：{found}。"),
    why=Text(
        "Read as text, it would give rows that mean nothing.", "硬当文本读，得到的数据毫无意义。"
    ),
    fix=Text(
        "{hint} Save it as JSON Lines, one record on each line: `{flag} {file}`.",
        "{hint}存成 JSON Lines，每行一条记录：`{flag} {file}`。",
    ),
)
