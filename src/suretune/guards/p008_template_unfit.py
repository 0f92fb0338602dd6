"""P008 template-unfit: the chat template can teach no answer, whatever the rows say.

What it looks at: two short conversations of its own, as the template writes them: whether it is
valid Jinja, lets question and answer stand, begins the answer when it is asked to, and ends it with
a token at which this model stops.

Why it matters: no row could be learned rightly. Without an end the model would never stop; without
a beginning it would learn to write its own role; text that is dropped is not learned at all.

Fix: mend the template in a copy, as the message says, and give the copy: `--chat_template FILE`.
A template that belongs to another model is best left out.

P008 template-unfit：对话模板教不了任何回答，与数据内容无关。

检查内容：让模板写两段很短的对话：是不是合法的 Jinja，问题和回答是否原样写出，需要时会不会写出回答
的开头，回答后面有没有这个模型的结束符。

影响：任何一条数据都不可能学对。没有结束符，模型停不下来；没有开头，模型会把角色标记也当成回答来
学；被模板丢掉的文字根本学不到。

怎么改：按检查结果在副本里改好模板，再用副本：`--chat_template FILE`。如果模板属于另一个模型，最好
不要用它。
"""

from suretune.facts import SetupFacts
from suretune.guards.guard import Guard, Values, word
from suretune.types import Text

HERE = Text("Mend that in a copy.", "请在副本里改好。")
GIVE = Text(
    "Give the mended copy: `--chat_template FILE`.", "再给出改好的副本：`--chat_template FILE`。"
)
OWN = Text(
    "Or leave `--chat_template` out: the model brings its own, which can.",
    "也可以去掉 `--chat_template`：模型自带的模板没有问题。",
)
NOTHING = Text("", "")
OTHER = Text(
    "It changes what rows say: print the text as it is, `{{ message['content'] }}`.",
    "它改动了数据的文字：请原样写出 `{{ message['content'] }}`。",
)
MISSING = Text(
    "Print the text of every role, `{{ message['content'] }}`.",
    "每个角色的文字都要写出：`{{ message['content'] }}`。",
)
REASONS = {
    "broken": (Text("it is not valid Jinja ({words})", "它不是合法的 Jinja（{words}）"), HERE),
    "refuses": (
        Text(
            "it refuses even a plain question with its answer ({words})",
            "连最简单的一问一答它也拒绝（{words}）",
        ),
        HERE,
    ),
    "drops-question": (Text("it leaves the question out", "它没有写出问题"), MISSING),
    "drops-answer": (Text("it leaves the answer out", "它没有写出回答"), MISSING),
    "changes-question": (Text("it rewrites the question", "它改写了问题的文字"), OTHER),
    "changes-answer": (Text("it rewrites the answer", "它改写了回答的文字"), OTHER),
    "no-opening": (
        Text(
            "a prompt does not begin the answer, so that {words} would be learned as its first "
            "words",
            "提示词里没有回答的开头，于是 {words} 会被当成回答的开头来学",
        ),
        Text(
            "Write at its end: `{{% if add_generation_prompt %}}{{{{ {words} }}}}{{% endif %}}`.",
            "请在末尾写上：`{{% if add_generation_prompt %}}{{{{ {words} }}}}{{% endif %}}`。",
        ),
    ),
    "goes-on": (
        Text(
            "its prompt goes on with {words}, behind which it writes no answer",
            "它的提示词末尾还有 {words}，写出的回答前面却没有",
        ),
        Text(
            "Take that out of what `add_generation_prompt` writes.",
            "请从 `add_generation_prompt` 写出的内容里去掉它。",
        ),
    ),
    "opens-otherwise": (
        Text(
            "its prompt ends in {words}, but its answers do not begin so",
            "它的提示词以 {words} 结尾，写出的回答却不是这样开头的",
        ),
        Text(
            "Let `add_generation_prompt` write what stands in front of an answer.",
            "请让 `add_generation_prompt` 写出与回答前面相同的内容。",
        ),
    ),
    "no-end": (
        Text(
            "nothing ends an answer: the model would never stop",
            "回答后面没有结束符：模型会停不下来",
        ),
        Text(
            "Write an end token of this model right behind the assistant's content: {words}.",
            "请紧跟在 assistant 的内容后面写上这个模型的结束符：{words}。",
        ),
    ),
    "no-end-token": (
        Text(
            "no end token of this model is known: it would never stop",
            "不知道这个模型的结束符是什么：模型会停不下来",
        ),
        Text(
            "Name it as `eos_token` in the model's tokenizer_config.json.",
            "请在模型的 tokenizer_config.json 里写明 `eos_token`。",
        ),
    ),
    "other-end": (
        Text(
            "it ends an answer with {words}, at which this model does not stop",
            "它用 {words} 结束回答，而这个模型遇到它不会停",
        ),
        Text(
            "It was written for another model; but if this model shall stop there, add the token's "
            "number to `eos_token_id` in its generation_config.json.",
            "它是给另一个模型写的；如果这个模型确实应当在这里停下，"
            "请把它的编号加进 generation_config.json 的 `eos_token_id`。",
        ),
    ),
}
ELSEWHERE = ("no-end-token", "other-end")  # the mend is in the model's files
QUOTED = ("no-opening", "goes-on", "opens-otherwise", "other-end")


def check(facts: SetupFacts) -> Values | None:
    if facts.problem != "template-unfit":
        return None
    reason, mend = REASONS[word(facts.found)]
    words = repr(facts.nearest) if facts.found in QUOTED else facts.nearest
    reason, mend = (
        Text(text.en.format(words=words), text.zh.format(words=words))
        if "{words}" in text.en
        else text
        for text in (reason, mend)
    )
    return {
        "where": facts.detail,
        "detail": facts.detail,
        "reason": reason,
        "mend": mend,
        "give": NOTHING if facts.found in ELSEWHERE else GIVE,
        "own": OWN if facts.spare else NOTHING,
    }


GUARD = Guard(
    code="P008",
    name="template-unfit",
    title=Text("template can teach no answer", "模板教不了任何回答"),
    stops=True,
    facts=SetupFacts,
    check=check,
    what=Text(
        "The chat template {detail} can teach no answer: {reason}.",
        "对话模板 {detail} 教不了任何回答：{reason}。",
    ),
    why=Text(
        "The fault is the template's: no change of the rows could mend it.",
        "错在模板：数据怎么改都没有用。",
    ),
    fix=Text("{mend} {give} {own}", "{mend}{give}{own}"),
)
