"""D039 beyond-context: `--max_length` is larger than the model's context.

What it looks at: the flag, and `max_position_embeddings` of the model's config.json.

Why it matters: beyond the positions that it was trained on, a model answers worse and worse, and
nothing fails. Rows of that length teach it from text that it cannot see well.

Fix: leave `--max_length` out; then the model's context is the limit.

D039 beyond-context：`--max_length` 超过了模型的上下文长度。

检查内容：这个参数，以及模型 config.json 里的 `max_position_embeddings`。

影响：超出训练过的位置，模型会越答越差，却不会报错；这么长的数据，模型本来就看不清。

怎么改：去掉 `--max_length`，上限就是模型的上下文长度。
"""

from suretune.facts import DataFacts
from suretune.guards.guard import Guard, Values
from suretune.types import Text


def check(facts: DataFacts) -> Values | None:
    if not facts.length_asked or not facts.context or facts.max_length <= facts.context:
        return None
    return {
        "where": "--max_length",
        "max_length": facts.max_length,
        "context": facts.context,
        "longest": facts.longest,
    }


GUARD = Guard(
    code="D039",
    name="beyond-context",
    title=Text("--max_length beyond the context", "超过模型的上下文"),
    stops=False,
    facts=DataFacts,
    check=check,
    what=Text(
        "`--max_length {max_length}` is beyond the model's context of {context} tokens; the "
        "longest row has {longest}.",
        "`--max_length {max_length}` 超过了模型的上下文长度 {context}；"
        "最长的一条有 {longest} 个 token。",
    ),
    why=Text(
        "The model has never seen such positions, and answers worse there without failing.",
        "模型没有学过这么靠后的位置，回答会变差，却不会报错。",
    ),
    fix=Text(
        "`--max_length {context}` is what it was built for.",
        "改成 `--max_length {context}`，这是模型的上限。",
    ),
)
