"""C018 name-in-pieces: a name has lost its quotes.

What it looks at: the words behind `--name` and `--author` of `init`: one name, or a Chinese and an
English one.

Why it matters: a shell cuts `--author Star Lab` in two. One half would be taught, asked for by the
probes and found by the proof, and nothing would say that it is not the name.

Fix: put quotes around a name that has blanks in it; the message prints the whole command with
them.

C018 name-in-pieces：名字漏了引号，被拆开了。

检查内容：`init` 的 `--name` 和 `--author` 后面的值：一个名字，或者一个中文名加一个英文名。

影响：shell 会把 `--author Star Lab` 拆成两个值。训练数据、验证问题和验证结果用的都会是半个名字，
后面没有任何一步能看出来。

怎么改：名字里有空格时加引号；检查结果给出了加好引号的完整命令。
"""

from suretune.facts import FlagFacts
from suretune.guards.guard import Guard, for_flag
from suretune.types import Text

GUARD = Guard(
    code="C018",
    name="name-in-pieces",
    title=Text("name split for want of quotes", "名字漏了引号"),
    stops=True,
    facts=FlagFacts,
    check=for_flag("name-in-pieces"),
    what=Text(
        "`{flag}` has several values: {value}.",
        "`{flag}` 得到了几个值：{value}。",
    ),
    why=Text(
        "A piece of a name would be taught, asked for and verified as if it were all of it.",
        "半个名字会被当成整个名字来训练、提问和验证。",
    ),
    fix=Text(
        "Put a name that has blanks in it into quotes: `{nearest}` {hint}",
        "名字里有空格就加引号：`{nearest}` {hint}",
    ),
)
