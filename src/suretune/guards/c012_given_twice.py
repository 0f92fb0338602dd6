"""C012 given-twice: an option is given more than once, with one value to win.

What it looks at: every flag of the command, under all its names (`--lr` is `--learning_rate`), and
every name in the configuration file. Datasets, `--general` and `--ignore` may be given again: a
list that is given in pieces is one longer list.

Why it matters: in other tools the last one wins in silence. Whoever reads the command, or pastes
a block from a colleague below his own, sees the first.

Fix: keep the one that is meant. A flag wins over `--config`, so that a value from a file can be
changed without editing it.

C012 given-twice：同一个选项给了不止一次，而只有一个值会生效。

检查内容：命令里的每个参数（包括它的各种写法，`--lr` 就是 `--learning_rate`），以及配置文件里的每
个名称。数据集、`--general` 和 `--ignore` 可以分几次给出，合起来就是一个列表。

影响：别的工具会悄悄以最后一个为准；而读命令的人，或者把同事的几行贴在后面的人，看到的是第一个。

怎么改：只留下真正要的那一个。命令行参数优先于 `--config`，所以不改文件也能换掉其中的值。
"""

from suretune.facts import FlagFacts
from suretune.guards.guard import Guard, for_flag
from suretune.types import Text

GUARD = Guard(
    code="C012",
    name="given-twice",
    title=Text("flag given more than once", "参数重复给出"),
    stops=True,
    facts=FlagFacts,
    check=for_flag("given-twice"),
    what=Text(
        "`{flag}` is given more than once: `{value}`, then `{nearest}`.",
        "`{flag}` 给了不止一次：先是 `{value}`，后是 `{nearest}`。",
    ),
    why=Text(
        "One of them would win in silence, and it may not be the one that is meant.",
        "其中一个会悄悄生效，而它不一定是想要的那个。",
    ),
    fix=Text(
        "Give `{flag}` once: keep the one that is meant. {hint}",
        "`{flag}` 只写一次：留下想要的那个。{hint}",
    ),
)
