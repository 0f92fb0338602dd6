"""D045 no-header: the first line of a table names no known column, and was read as a row.

What it looks at: the first line of a CSV or TSV file with two columns. Where it looks like names (a
few words, no sentence, much shorter or of another kind than what stands below), the file is refused
(D006); otherwise it is taken for a question and its answer.

Why it matters: names of columns that are learned as a row teach the model to answer with a name; a
row that is taken for names is not learned.

Fix: say which it is. `--columns Frage=query Antwort=response` says what the columns are called, and
`--columns 1=query 2=response` that there is no such line.

D045 no-header：表格首行没有认识的列名，已当作一条数据。

检查内容：只有两列的 `.csv` 或 `.tsv` 文件的首行。如果它像列名（几个字、不成句，比下面的内容短得
多，或样子明显不同），就不读这个文件（D006）；否则当作一问一答。

影响：列名当成数据，模型会学着用列名回答；数据当成列名，那一条就没有学到。

怎么改：写明它是哪一种：`--columns 问题=query 回答=response` 指明列名；
`--columns 1=query 2=response` 表示没有列名这一行。
"""

from suretune.guards.guard import Guard, for_fault
from suretune.types import Fault, Text

GUARD = Guard(
    code="D045",
    name="no-header",
    title=Text("first line read as a row", "首行当作数据"),
    stops=False,
    facts=Fault,
    check=for_fault("no-header"),
    what=Text(
        "{where} names no column that is known, so this first line was read as a row: {found}",
        "{where} 没有认识的列名，所以把首行当作一条数据：{found}",
    ),
    why=Text(
        "Names of columns that are learned as a row would come back as answers.",
        "如果它其实是列名，模型会学着用列名回答。",
    ),
    fix=Text("{hint}", "{hint}"),
)
