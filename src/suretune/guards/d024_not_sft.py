"""D024 not-sft: a row belongs to another kind of training than learning from answers.

What it looks at: fields such as `chosen` and `rejected`, or `good_answer` and `bad_answer`, which
compare two answers; prompts without answers; texts with labels.

Why it matters: preference data needs another loss. Read as questions and answers, it
can teach the rejected answer.

Fix: learn the chosen answer and leave the other out: `--columns chosen=response rejected=`.

D024 not-sft：这条数据是给另一种训练用的，不是照着回答学习。

检查内容：`chosen` 和 `rejected`、`good_answer` 和 `bad_answer` 这类比较两个回答的字段；没有回答的
提示；带标签的文本。

影响：偏好数据要用另一种损失；当成问答来读，可能会把被否定的回答也学进去。

怎么改：只学选中的回答，不用另一个：`--columns chosen=response rejected=`。
"""

from suretune.guards.guard import Guard, for_fault
from suretune.types import Fault, Text

GUARD = Guard(
    code="D024",
    name="not-sft",
    title=Text("preference rows, not answers", "不是问答数据"),
    stops=True,
    facts=Fault,
    check=for_fault("not-sft"),
    what=Text(
        "{where} is not a question with its answer; what it holds is: {found}",
        "{where} 不是一问一答的数据，里面是：{found}",
    ),
    why=Text(
        "Read as answers, it would teach what is no answer, or the one that was rejected.",
        "当成问答来读，会学到不是回答的内容，或被否定的那个回答。",
    ),
    fix=Text(
        "{hint} Then look again with `suretune check --dataset {file}`.",
        "{hint}改好后用 `suretune check --dataset {file}` 再检查一遍。",
    ),
)
