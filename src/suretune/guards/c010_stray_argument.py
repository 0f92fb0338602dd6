"""C010 stray-argument: the command has words that belong to no flag.

What it looks at: words that stand alone: a value of several words without quotes, a file without
its flag, a quote that is never closed, or a comment after the backslash at the end of a line.

Why it matters: a value would lose a part. Behind a backslash it is worse: the shell ends the
command there, the comment arrives as an argument, and every flag on the lines below is lost.

Fix: put quotes around a value with blanks in it; put comments above the command, and nothing, not
even a space, after a backslash; or keep the flags in a file that allows comments:
`--config run.yaml`.

C010 stray-argument：命令里有不属于任何参数的词。

检查内容：单独出现的词：值里有空格却没加引号、文件前面漏了参数名、引号没有闭合，或者行尾反斜杠后面
写了注释。

影响：值会少掉一截。反斜杠后面写注释更糟：shell 就在那里结束命令，注释被当成参数传进来，下面各行的
参数全部丢失。

怎么改：值里有空格就加英文引号；注释写在命令上方，反斜杠后面什么都不留，空格也不行；
也可以把参数写进允许注释的文件：`--config run.yaml`。
"""

from suretune.facts import FlagFacts
from suretune.guards.guard import Guard, Values, for_flag, sentence
from suretune.types import Text

CUT = (
    Text(
        "A note behind a backslash: the shell ended the command there and lost every flag below.",
        "反斜杠后面写了注释：shell 在那里结束了命令，下面各行的参数都丢了。",
    ),
    Text(
        "Paste the whole to `suretune import-cmd`, which reads past notes; or leave nothing after a"
        " backslash; or keep flags and comments in a file: `--config run.yaml`.",
        "把整段交给 `suretune import-cmd`，它读得懂注释；或者让反斜杠后面什么都不留；"
        "或者把参数和注释写进文件：`--config run.yaml`。",
    ),
)
ALONE = (
    Text(
        "A value would lack a part, or a flag would be missing from the run.",
        "它们所在的值会少一截，或者漏掉一个参数。",
    ),
    Text("", ""),
)


def check(facts: FlagFacts) -> Values | None:
    values = for_flag("stray-argument")(facts)
    if values is None:
        return None
    items = (facts, *facts.others)
    words = [f"`{one.value}`" for one in items]
    why, fix = CUT if any(one.value.lstrip().startswith(("#", "＃")) for one in items) else ALONE
    whole = next((one.command for one in items if one.command), "")
    hints = [sentence(hint) for hint in dict.fromkeys(one.hint for one in items) if hint]
    if whole:
        hints.append(Text(f"Meant, perhaps: `{whole}`", f"可能想写：`{whole}`"))
    if fix.en:
        hints.append(fix)
    if not hints:
        listing = f"`{values['help']}`"
        hints.append(Text(f"{listing} lists every flag.", f"全部参数见 {listing}。"))
    return {
        **values,
        "words": Text(", ".join(words), "、".join(words)),
        "reason": why,
        "cure": Text(" ".join(h.en for h in hints), "".join(h.zh for h in hints)),
    }


GUARD = Guard(
    code="C010",
    name="stray-argument",
    title=Text("words that belong to no flag", "多出来的词"),
    stops=True,
    facts=FlagFacts,
    check=check,
    what=Text("What belongs to no flag: {words}", "不属于任何参数：{words}"),
    why=Text("{reason}", "{reason}"),
    fix=Text("{cure}", "{cure}"),
)
