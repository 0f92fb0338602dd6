"""P006 template-rewrites: the template knowingly says something else than the rows.

What it looks at: the text that the template made of each row: empty thoughts that it puts before
answers without one, thoughts of earlier turns, earlier answers and names of turns that it leaves
out of prompts, and any other text that it puts before an answer.

Why it matters: an empty thought before an answer is learned with it: the model learns not to think.
The other changes are made in the prompts of every program that uses this template.

Fix: nothing needs mending if that is meant; look at the rows with `--preview 3`. Another template
is named with `--chat_template`.

P006 template-rewrites：模板有意写得和数据不一样。

检查内容：模板把每条数据写成的文本：给没有思考的回答加上的空思考、提示词里省去的前几轮思考、前面的
回答和轮次的 `name`，以及加在回答前面的其他文字。

影响：回答前的空思考会一起被学习，模型学到的是不思考。其余的改动，使用这个模板的任何程序都会同样
做。

怎么改：如果本意如此，不需要改；用 `--preview 3` 看看数据。想换模板，用 `--chat_template` 指定。
"""

from suretune.facts import DataFacts
from suretune.guards.guard import Guard, Values
from suretune.types import Text

SAID = {  # as data/told.py numbers them
    1: Text(
        "an empty thought (`<think></think>`) is learned before answers that have none",
        "没有思考的回答前面会加上空的思考（`<think></think>`）并一起学习",
    ),
    2: Text("thoughts of earlier turns are left out of the prompts", "提示词里省去前几轮的思考"),
    4: Text("names of turns are left out", "轮次的 `name` 没有写出"),
    16: Text(
        "earlier answers, learned by themselves, are left out of the prompts of later ones",
        "前面的回答各自单独学习，但后面的提示词里没有它们",
    ),
    8: Text("text of the template's own is learned before answers", "回答前面会学到模板自己的文字"),
}


def check(facts: DataFacts) -> Values | None:
    found = sorted((note, rows) for note, rows in facts.rewritten.items() if note in SAID)
    if not found:
        return None
    return {
        "where": found[0][1][1],
        "template": facts.template or Text("this model", "这个模型"),
        "changes": Text(
            "; ".join(f"{SAID[note].en} ({rows} rows)" for note, (rows, _) in found),
            "；".join(f"{SAID[note].zh}（{rows} 条）" for note, (rows, _) in found),
        ),
    }


GUARD = Guard(
    code="P006",
    name="template-rewrites",
    title=Text("template rewrites rows", "模板会改写数据"),
    stops=False,
    facts=DataFacts,
    check=check,
    what=Text(
        "The chat template of {template} rewrites what rows say: {changes}.",
        "{template} 的对话模板会改写数据：{changes}。",
    ),
    why=Text(
        "What it adds to answers is learned with them; what it leaves out, no program sends.",
        "加在回答里的会一起被学习；省去的，任何程序都不会发送。",
    ),
    fix=Text(
        "Nothing needs mending if that is meant; `--preview 3` shows how the rows come out.",
        "如果本意如此，不需要改；`--preview 3` 可以看到写出来的样子。",
    ),
)
