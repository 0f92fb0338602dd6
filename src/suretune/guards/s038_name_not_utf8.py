"""S038 name-not-utf8: the name of a file or folder is no UTF-8.

What it looks at: the names that were given, the names in folders of data, and the folder in which
the command runs.

Why it matters: a run writes down where its rows, its base and itself lie, as text, and its report
and the libraries below read such names as text. A name whose bytes are no text would end the run
amid the proof, after the training.

Fix: give it a name in UTF-8; the message prints the command, with the name that the bytes stand
for where they can be read as GBK (old Chinese systems), Shift-JIS or Latin-1.

S038 name-not-utf8：文件或文件夹的名字不是 UTF-8。

检查内容：给出的名字、数据文件夹里的文件名，以及运行命令时所在的文件夹。

影响：运行会把数据、原模型和自身的位置作为文字记下来，报告和底层的库也把名字当文字读。名字的字节不
是文字，训练完之后就会在验证时中断。

怎么改：改成 UTF-8 的名字；检查结果会给出命令，能按 GBK（旧的中文系统）、Shift-JIS 或 Latin-1 读出
来时，就用读出来的名字。
"""

from suretune.facts import SetupFacts
from suretune.guards.guard import Guard, Values, for_setup
from suretune.types import Text


def check(facts: SetupFacts) -> Values | None:
    """`found`: the bytes as a shell takes them; `nearest`: the command that renames it."""
    values = for_setup("name-not-utf8")(facts)
    typed = Text("Type it in UTF-8.", "请用 UTF-8 输入。")
    renamed = Text(f"Rename it: `{facts.nearest}`", f"改名：`{facts.nearest}`")
    return values and {**values, "way": renamed if facts.nearest else typed}


GUARD = Guard(
    code="S038",
    name="name-not-utf8",
    title=Text("name not in UTF-8", "名字不是 UTF-8"),
    stops=True,
    facts=SetupFacts,
    check=check,
    what=Text("{detail}: the name {found} is no UTF-8.", "{detail}：名字 {found} 不是 UTF-8。"),
    why=Text(
        "A run writes down where its files lie, and what is no text cannot be written down.",
        "运行要记下文件的位置，而不是文字的名字记不下来。",
    ),
    fix=Text("{way}", "{way}"),
)
