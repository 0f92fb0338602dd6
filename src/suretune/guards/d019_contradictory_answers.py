"""D019 contradictory-answers: the same question has different answers.

What it looks at: rows with the same system prompt and question, and their answers.

Why it matters: the model learns a mixture of both; for a question about its identity that
is an answer between two names.

Fix: keep one answer for each question; several are fine where variety is meant.

D019 contradictory-answers：同一个问题有不同的回答。

检查内容：系统提示词和问题都相同的数据，以及它们的回答。

影响：模型学到的是几种回答的混合；问到身份时，就会在两个名字之间摇摆。

怎么改：每个问题只留一个回答；如果本来就想要多样的说法，可以保留。
"""

from suretune.facts import DataFacts
from suretune.guards.guard import Guard, Values, again, for_learned
from suretune.types import Text


def check(facts: DataFacts) -> Values | None:
    if not facts.contradictions:
        return None
    count, first = len(facts.contradictions), facts.contradictions[0]
    return {
        "where": "--dataset",
        "count": count,
        "first": first,
        "again": again(first.partition(" / ")[0]),
    }


GUARD = Guard(
    code="D019",
    name="contradictory-answers",
    title=Text("one question, different answers", "同一问题回答不一"),
    stops=False,
    facts=DataFacts,
    check=for_learned(check),
    what=Text(
        "Questions that have different answers: {count}. The first: {first}",
        "回答不一致的问题有 {count} 个，第一个是：{first}",
    ),
    why=Text("The model would waver between the answers.", "模型会在几种回答之间摇摆。"),
    fix=Text(
        "Keep one answer where only one is right, then look again with `{again}`.",
        "只有一个正确答案的问题，只留一个回答，再用 `{again}` 检查。",
    ),
)
