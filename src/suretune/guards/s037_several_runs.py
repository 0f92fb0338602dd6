"""S037 several-runs: a folder of runs was named where one run is wanted.

What it looks at: whether the folder is a run itself, and how many runs lie in it.

Why it matters: to take the newest would show, verify or serve another run than the one that was
meant, and no message would say so.

Fix: name the run: the message lists them, and prints the command with the newest.

S037 several-runs：需要指定一个运行，给出的却是存放多个运行的文件夹。

检查内容：这个文件夹本身是不是运行，里面有几个运行。

影响：如果自动取最新的一个，显示、验证或用来提供服务的就可能不是想要的那个，而且没有任何提示。

怎么改：写明是哪个运行：检查结果会列出它们，并给出使用最新一个的命令。
"""

from suretune.facts import SetupFacts
from suretune.guards.guard import Guard, Values, for_setup
from suretune.types import Text


def check(facts: SetupFacts) -> Values | None:
    values = for_setup("several-runs")(facts)
    return values and {**values, "newest": facts.nearest}


GUARD = Guard(
    code="S037",
    name="several-runs",
    title=Text("folder of several runs", "文件夹里有多个运行"),
    stops=True,
    facts=SetupFacts,
    check=check,
    what=Text(
        "{detail} is a folder of several runs: {found}.",
        "{detail} 里有多个运行：{found}。",
    ),
    why=Text(
        "Which of them is meant, nothing says; the newest may be another one.",
        "没有说明要用哪一个，最新的未必就是想要的。",
    ),
    fix=Text(
        "Name the run. With the newest: `{newest}`",
        "请写明是哪个运行。用最新的：`{newest}`",
    ),
)
