"""D022 hub-dataset: a dataset on a hub has no file whose rows can be read.

What it looks at: the files of the repository, by its card and by their names; on Hugging Face also
the branch of converted parquet files.

Why it matters: rows that a script makes are not known before it runs, and scripts of strangers are
never run.

Fix: name a subset that has files, `owner/name:SUBSET`; or turn the rows into JSONL where
you can look at them, and give that file.

D022 hub-dataset：下载站上的这个数据集里没有能读的数据文件。

检查内容：仓库里的文件（按数据卡和文件名），Hugging Face 上还看自动转换的 Parquet 分支。

影响：由脚本生成的数据，不运行就不知道是什么；而陌生人的脚本从不执行。

怎么改：写出有文件的子集：`owner/name:SUBSET`；或者自己把数据转成 JSONL，看过之后再给出文件。
"""

import shlex

from suretune.facts import SetupFacts
from suretune.guards.guard import Guard, Values, for_setup, sentence
from suretune.types import Text


def check(facts: SetupFacts) -> Values | None:
    """`detail`: as it was typed; `hint`: what there is in place of rows; `found`: a name that has
    rows, where one is known."""
    values = for_setup("hub-dataset")(facts)
    name = facts.found if isinstance(facts.found, str) and facts.found else ""
    typed = shlex.quote(name)
    subset = Text(f"Name one of them (`{typed}`)", f"写出其中一个（`{typed}`）") if name else ANY
    return values and {**values, "hint": sentence(facts.hint), "subset": subset}


ANY = Text(
    "Name a subset with files (`owner/name:SUBSET`)",
    "写出有文件的子集（`owner/name:SUBSET`）",
)


GUARD = Guard(
    code="D022",
    name="hub-dataset",
    title=Text("no file of rows on the hub", "没有能读的数据文件"),
    stops=True,
    facts=SetupFacts,
    check=check,
    what=Text(
        "{detail} has no file of rows that can be read. {hint}",
        "{detail} 里没有能读的数据文件。{hint}",
    ),
    why=Text(
        "Rows have to lie in files: what a stranger's script makes is not run.",
        "数据要在文件里：陌生人的脚本从不执行。",
    ),
    fix=Text(
        "{subset}, or turn the rows into JSONL and give it.",
        "{subset}，或把数据转成 JSONL 再给出文件。",
    ),
)
