"""V015 template-differs: the server renders conversations otherwise than training did.

What it looks at: the same prompts twice: as messages, which the server renders, and as token
ids of the sealed template (`/v1/completions`). Only the ids lead to the answers of the seal.

Why it matters: the right model behind another chat template, or behind a system prompt that the
server adds to every conversation, answers as one that has not learned.

Fix: give the server the adapter's own template: vLLM takes
`--chat-template RUN/adapter/chat_template.jinja`; `suretune serve RUN` uses it by itself.

V015 template-differs：服务器渲染对话的方式与训练时不同。

检查内容：同样的提示词发两遍：一遍作为消息由服务器渲染，一遍是按验证时的模板得到的
token（`/v1/completions`）。只有后者得到验证记录里的回答。

影响：模型没错，但对话模板不同，或服务器给每个对话都加了别的系统提示词，模型就像没有学会一样。

怎么改：让服务器使用适配器自带的模板：
vLLM 用 `--chat-template RUN/adapter/chat_template.jinja`；
`suretune serve RUN` 会自动使用。
"""

from suretune.facts import ServedFacts
from suretune.guards.guard import Guard, for_served
from suretune.types import Text

GUARD = Guard(
    code="V015",
    name="template-differs",
    title=Text("server renders another template", "对话模板不同"),
    stops=True,
    facts=ServedFacts,
    check=for_served("template-differs"),
    what=Text(
        "`{model}`: {raw_as_sealed} of {raw_asked} answers are the seal's when the prompts "
        "are sent as tokens, {as_sealed} of {asked} when the server renders them. First: "
        "{first_other}",
        "`{model}`：直接发送 token 时，{raw_asked} 个回答中 {raw_as_sealed} "
        "个与验证记录相同；由服务器渲染时，{asked} 个中 {as_sealed} 个相同。第一个："
        "{first_other}",
    ),
    why=Text(
        "The right model behind another template answers as one that has not learned.",
        "模型没错，但模板不同，回答就像没有学会一样。",
    ),
    fix=Text(
        "Give the server the template of the run: vLLM takes `--chat-template "
        "{template}`; `suretune serve {run}` uses it by itself.",
        "让服务器使用这次运行的模板："
        "vLLM 用 `--chat-template {template}`；"
        "`suretune serve {run}` 会自动使用。",
    ),
)
