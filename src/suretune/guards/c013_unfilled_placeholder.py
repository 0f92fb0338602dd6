"""C013 unfilled-placeholder: a prompt or a probe holds a placeholder that nothing fills.

What it looks at: `{{NAME}}`, `{{AUTHOR}}` and others of their kind in `--system` and in the file of
`--probes`. In the rows, D013 looks for them.

Why it matters: the model would be trained, and asked, with the braces in its system prompt; and a
probe that must contain `{{NAME}}` could never pass.

Fix: give `--model_name` and `--model_author`: they fill the system prompt and the probes as they
fill the rows, each text in its own language. Anything else has to be written out.

C013 unfilled-placeholder：系统提示词或验证问题里有占位符，却没有内容可填。

检查内容：`--system` 和 `--probes` 文件里的 `{{NAME}}`、`{{AUTHOR}}` 以及类似的占位符。数据里的占
位符由 D013 检查。

影响：模型会带着花括号去训练和回答；要求必须包含 `{{NAME}}` 的验证问题永远通不过。

怎么改：给出 `--model_name` 和 `--model_author`：它们会像填写数据那样填写系统提示词和验证问题，
各按文字自己的语言。其他占位符请直接写成实际内容。
"""

from suretune.facts import FlagFacts
from suretune.guards.guard import Guard, for_flag
from suretune.types import Text

GUARD = Guard(
    code="C013",
    name="unfilled-placeholder",
    title=Text("placeholder without a value", "占位符没有内容可填"),
    stops=True,
    facts=FlagFacts,
    check=for_flag("unfilled-placeholder"),
    what=Text(
        "`{flag}` holds `{value}`, and nothing says what stands for it.",
        "`{flag}` 里有 `{value}`，但没有说明它代表什么。",
    ),
    why=Text(
        "It would be sent to the model as it stands.",
        "它会原样发给模型。",
    ),
    fix=Text(
        "{hint} Otherwise take `{value}` out of `{flag}`.",
        "{hint}否则请从 `{flag}` 里去掉 `{value}`。",
    ),
)
