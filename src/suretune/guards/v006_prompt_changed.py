"""V006 prompt-changed: clients would be asked with another prompt than the proof was.

What it looks at: the tokens of the proof's first prompts, as they were stored, against those that
the system prompt and the chat template make now.

Why it matters: another system prompt is another model: answers that were proven may no longer come.

Fix: leave `--system` and `--chat_template` out, so that those of training are used; clients can
send a system message of their own with any request.

V006 prompt-changed：提供服务时的提示词，与验证时的不同。

检查内容：验证时保存的前几个提示词的 token，与现在的系统提示词和对话模板生成的是否一致。

影响：换了系统提示词就等于换了模型：验证过的回答可能不再出现。

怎么改：去掉 `--system` 和 `--chat_template`，使用训练时的设置；
客户端可以在任何请求里带上自己的系统消息。
"""

from suretune.facts import SetupFacts
from suretune.guards.guard import Guard, for_setup
from suretune.types import Text

GUARD = Guard(
    code="V006",
    name="prompt-changed",
    title=Text("prompt is not the proven one", "提示词与验证时不同"),
    stops=True,
    facts=SetupFacts,
    check=for_setup("prompt-changed"),
    what=Text(
        "{detail} was proven with another prompt. It now differs at: {found}",
        "{detail} 验证时用的是另一个提示词。现在的不同之处：{found}",
    ),
    why=Text(
        "With another system prompt or template the proven answers may not come.",
        "换了系统提示词或模板，验证过的回答可能不再出现。",
    ),
    fix=Text(
        "Leave `--system` and `--chat_template` out.", "去掉 `--system` 和 `--chat_template`。"
    ),
)
