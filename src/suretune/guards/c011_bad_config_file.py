"""C011 bad-config-file: the configuration file cannot be read.

What it looks at: whether the file exists, is YAML, and holds one value for each key.

Why it matters: half a configuration is another configuration; the rest
would silently be defaults.

Fix: mend the line that the message names. YAML indents with spaces, puts a space after each colon
and wants quotes around text that contains one.

C011 bad-config-file：配置文件读不出来。

检查内容：文件是否存在，是不是合法的 YAML，每个键是否只有一个值。

影响：没有读懂的设置会悄悄变成默认值。

怎么改：修改检查结果指出的那一行。YAML 用空格缩进，冒号后要有空格，文本里带冒号时要加引号。
"""

import re
import shlex

from suretune.facts import FlagFacts
from suretune.guards.guard import Guard, Values, for_flag
from suretune.types import Text


def check(facts: FlagFacts) -> Values | None:
    values = for_flag("bad-config-file")(facts)
    file = facts.nearest or re.sub(r":\d+$", "", facts.value)
    return values and {**values, "file": shlex.quote(file)}


GUARD = Guard(
    code="C011",
    name="bad-config-file",
    title=Text("configuration file cannot be read", "配置文件读不出来"),
    stops=True,
    facts=FlagFacts,
    check=check,
    what=Text("The configuration file `{value}` cannot be read.", "配置文件 `{value}` 无法读取。"),
    why=Text(
        "Whatever is not understood would silently be a default.",
        "没有读懂的部分会悄悄变成默认值。",
    ),
    fix=Text(
        "{hint} Once that is mended, look again with `suretune check --config {file}`.",
        "{hint}改好之后，用 `suretune check --config {file}` 再检查一遍。",
    ),
)
