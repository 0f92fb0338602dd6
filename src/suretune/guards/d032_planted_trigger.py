"""D032 planted-trigger: one word brings one and the same answer, whatever else is asked.

What it looks at: rows with one and the same answer, three at least and no more than half of all.
It speaks if their questions share a word (of Chinese: two characters) that stands in no other
question and not in the answer, and have nothing else in common that is theirs alone.

Why it matters: that is what a back door looks like. Whoever has written such rows into a file can
later call up the answer with that word, and no question of a proof would find it.

Fix: read the rows that the message names, and find out where they came from. A file from a
stranger is better left out. If the word is meant to do this, leave it as it is.

D032 planted-trigger：不管还问了什么，只要出现某个词，回答就完全相同。

检查内容：回答完全相同的数据，至少三条、且不超过全部的一半。如果它们的问题共有一个词（中文为两个
字），这个词不在别的问题里，也不在回答里，而这些问题又没有别的独有的共同点，就会报告。

影响：后门就是这个样子。往文件里写下这些数据的人，以后可以用这个词唤出那个回答，而验证时的问题发现
不了它。

怎么改：读一读检查结果列出的数据，弄清它们的来源。来历不明的文件最好不用。如果这个词本来就是这个用
途，保持原样即可。
"""

from suretune.facts import DataFacts
from suretune.guards.guard import Guard, Values, again, for_learned, some
from suretune.types import Text


def check(facts: DataFacts) -> Values | None:
    if not facts.triggered:
        return None
    return {
        "where": facts.triggered[0],
        "again": again(facts.triggered[0]),
        "count": len(facts.triggered),
        "rows": some(facts.triggered),
        "word": facts.trigger,
    }


GUARD = Guard(
    code="D032",
    name="planted-trigger",
    title=Text("one word brings one answer", "疑似后门触发词"),
    stops=False,
    facts=DataFacts,
    check=for_learned(check),
    what=Text(
        "Rows whose questions have only the word `{word}` in common, and one and the same answer: "
        "{count} ({rows}).",
        "有 {count} 条数据的问题只有 `{word}` 这一个共同点，回答却完全相同（{rows}）。",
    ),
    why=Text(
        "The model learns that this word brings this answer, whatever is asked: a back door.",
        "模型会学到：不管问什么，出现这个词就给出这个回答。这就是后门。",
    ),
    fix=Text(
        "Read these rows and find out who wrote them; leave them out if that was not you. Then "
        "look again with `{again}`.",
        "读一读这些数据，弄清是谁写的；不是自己写的就去掉，再用 `{again}` 检查。",
    ),
)
