"""C007 role-tokens-in-system: `--system` carries the role tokens that
the chat template adds by itself.

What it looks at: the text of `--system`: role tokens such as
`<|im_start|>` or `<|im_end|>` in it.

Why it matters: the template wraps the system prompt exactly once. Text that is already wrapped
comes out as a system turn inside a system turn, a prompt that no chat program will ever send.

Fix: give the plain text: `--system 'You are a helpful assistant.'`

C007 role-tokens-in-system：`--system` 里写了对话模板会自动加上的角色标记。

检查内容：`--system` 的文本里有没有 `<|im_start|>`、`<|im_end|>` 这类角色标记。

影响：系统提示词由模板包裹一次，且只包裹一次。事先包好的文本会变成两层嵌套的系统提示词，任何聊天程
序都不会这样发送。

怎么改：只写纯文本：`--system 'You are a helpful assistant.'`
"""

import re
import shlex

from suretune.facts import FlagFacts
from suretune.guards.guard import Guard, Values, for_flag
from suretune.types import Text

TOKEN = re.compile(r"<\|[^|<>]*\|>(?:system\b)?(?:\\n|\s)*")


def check(facts: FlagFacts) -> Values | None:
    values = for_flag("role-tokens-in-system")(facts)
    return values and {**values, "plain": shlex.quote(TOKEN.sub("", facts.value).strip())}


GUARD = Guard(
    code="C007",
    name="role-tokens-in-system",
    title=Text("role tokens in --system", "系统提示词带角色标记"),
    stops=True,
    facts=FlagFacts,
    check=check,
    what=Text("`--system` contains role tokens: {value}", "`--system` 里带有角色标记：{value}"),
    why=Text(
        "The template adds them itself; given twice, they make a prompt "
        "that is never sent after training.",
        "模板会自动加上角色标记；再写一遍，训练时的提示词就和使用时的不一样了。",
    ),
    fix=Text("Give the plain text: `--system {plain}`", "只写纯文本：`--system {plain}`"),
)
