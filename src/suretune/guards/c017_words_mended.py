"""C017 words-mended: words of the command line were read as they were meant.

What it looks at: long dashes in place of two hyphens (`——dataset`), curly quotes, full-width
blanks, digits, commas and signs, a value of several words without quotes, what a web page left
behind when it joined the lines (`\\ --model`), notes, prompts (`$`) and line numbers.

Why it matters: an input method and a web page change characters that look alike. What they mean is
beyond doubt, but a shell takes them literally: curly quotes would be learned as part of the system
prompt.

Fix: nothing has to be done; the message names each, and the spelling for the next time.

C017 words-mended：命令行里的一些写法已按本意理解。

检查内容：用中文破折号代替两个减号（`——dataset`）、弯引号、全角的空格、数字、逗号和符号、值里有空
格却没加引号、网页压成一行后留下的反斜杠（`\\ --model`）、注释、命令提示符（`$`）和行号。

影响：输入法和网页会换掉看起来一样的字符。意思不会弄错，但 shell 会照字面理解：弯引号会被当成系统
提示词的一部分学进去。

怎么改：不需要改；检查结果里列出了每一处和正确的写法。
"""

from suretune.facts import FlagFacts
from suretune.guards.guard import Guard, Values, for_flag
from suretune.types import Text

SHOWN = 2  # places of a kind; of one that is everywhere alike, one


def check(facts: FlagFacts) -> Values | None:
    values = for_flag("words-mended")(facts)
    if values is None:
        return None
    kinds: dict[Text, list[FlagFacts]] = {}
    for one in (facts, *facts.others):
        kinds.setdefault(one.hint or Text("", ""), []).append(one)
    told = [(kind, [_place(one) for one in ones]) for kind, ones in kinds.items()]
    parts = [
        Text(f"{kind.en} ({_some(ones, ', ')})", f"{kind.zh}（{_some(ones, '、')}）")
        for kind, ones in told
    ]
    return {
        **values,
        "where": facts.flag or facts.value,
        "all": Text("; ".join(part.en for part in parts), "；".join(part.zh for part in parts)),
        "parts": tuple(parts),
    }


def _place(one: FlagFacts) -> str:
    return f"`{one.value}` → `{one.nearest}`" if one.nearest else f"`{one.value}`"


def _some(places: list[str], comma: str) -> str:
    places = list(dict.fromkeys(places))
    shown = SHOWN if len(places) <= 2 * SHOWN else 1
    more = len(places) - shown
    return comma.join(places[:shown]) + (f" +{more}" if more > 0 else "")


GUARD = Guard(
    code="C017",
    name="words-mended",
    title=Text("command read as meant", "已按本意理解命令"),
    stops=False,
    facts=FlagFacts,
    check=check,
    what=Text("Read as it was meant: {all}.", "已按本意理解：{all}。"),
    why=Text(
        "A shell takes such characters literally.", "shell 会照字面理解这些字符，和看起来的不一样。"
    ),
    fix=Text(
        "Nothing needs mending: so it was read.",
        "不需要改。",
    ),
)
