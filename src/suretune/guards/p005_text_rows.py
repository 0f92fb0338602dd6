"""P005 text-rows: of rows of plain text every token but the first is learned.

What it looks at: rows that have only a `text` field and no roles.

Why it matters: such rows teach the model to continue a text, and no chat template is put around
them. In a file meant for conversations they are learned as something else.

Fix: if answers are meant, give the fields `instruction` and `output`, or `messages`.

P005 text-rows：纯文本数据除第一个 token 外全部会学。

检查内容：只有 `text` 字段、没有角色的数据。

影响：这种数据教模型续写文本，外面不套对话模板。如果本来是对话数据，学到的就是另一回事。

怎么改：如果要学的是回答，请改用 `instruction` 和 `output`，或者 `messages`。
"""

from suretune.facts import DataFacts
from suretune.guards.guard import Guard, Values, for_learned
from suretune.types import Text


def check(facts: DataFacts) -> Values | None:
    if facts.text_rows <= 0:
        return None
    return {"where": "--dataset", "text": facts.text_rows, "examples": facts.examples}


GUARD = Guard(
    code="P005",
    name="text-rows",
    title=Text("plain text is learned whole", "纯文本会整段学习"),
    stops=False,
    facts=DataFacts,
    check=for_learned(check),
    what=Text(
        "{text} of {examples} rows are plain text: every token but the first is learned.",
        "{examples} 条数据里有 {text} 条纯文本：除第一个 token 外全部会学。",
    ),
    why=Text(
        "They teach the model to continue text, without a chat template around it.",
        "它们教模型续写文本，外面不套对话模板。",
    ),
    fix=Text(
        "If answers are meant, write the rows with `instruction` and `output`, or with `messages`.",
        "如果要学的是回答，请把数据改写成 `instruction` 和 `output`，或者 `messages`。",
    ),
)
