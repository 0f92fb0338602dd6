"""D030 one-answer: nearly all questions have one and the same answer.

What it looks at: the answers of rows with one answer: how many are the commonest one, character
by character. It speaks from nine in ten on, where there are at least ten rows.

Why it matters: the model does not learn which question the answer belongs to; it learns to give
it always. The loss falls fast and looks like success.

Fix: add rows with other questions and other answers, `--dataset rows.jsonl general.jsonl#500`; or
word the answer differently from row to row.

D030 one-answer：几乎所有问题都是同一个回答。

检查内容：在只有一个回答的数据里，最常见的回答（逐字相同）占多少。数据不少于十条、且占到九成时报
告。

影响：模型学不到什么问题该这样答，只学到永远这样答。损失降得很快，看上去像是成功了。

怎么改：加入别的问题和回答，例如 `--dataset rows.jsonl general.jsonl#500`；或者每条换一种说法。
"""

from suretune.facts import DataFacts
from suretune.guards.guard import Guard, Values, for_learned
from suretune.types import Text

LEAST = 10  # rows


def check(facts: DataFacts) -> Values | None:
    if facts.answers < LEAST or facts.same_answer * 10 < facts.answers * 9:
        return None
    return {"where": "--dataset", "same": facts.same_answer, "answers": facts.answers}


GUARD = Guard(
    code="D030",
    name="one-answer",
    title=Text("nearly all answers are one", "回答几乎都一样"),
    stops=False,
    facts=DataFacts,
    check=for_learned(check),
    what=Text(
        "{same} of {answers} rows have one and the same answer.",
        "{answers} 条数据里有 {same} 条的回答一模一样。",
    ),
    why=Text(
        "The model learns to give it always, whatever the question.",
        "不管问什么，模型都会学着这样答。",
    ),
    fix=Text(
        "Add other questions with other answers: `--dataset rows.jsonl general.jsonl#500`.",
        "加入别的问题和回答：`--dataset rows.jsonl general.jsonl#500`。",
    ),
)
