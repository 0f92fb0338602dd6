"""P010 thoughts: what is done about the thoughts that rows have, or do not have.

What it looks at: how many rows have a thought (`reasoning_content`, or `<think>` at the beginning
of an answer), what the chat template does about thoughts, and `--think`.

Why it matters: an answer is learned behind a prompt. Where the template can be told to think or not
(`enable_thinking`), rows with and without a thought have different prompts, and an empty thought is
part of the prompt (only read) or of the answer (learned). What is asked later must have the prompt
that was learned: probes, `infer` and `serve` use it, and the template beside the adapter says it to
other programs.

Fix: nothing needs mending if that is meant. `--think keep` learns thoughts as they are, and answers
without one behind the prompt without thoughts; `drop` takes thoughts out; `empty` lets answers
without one learn the template's empty thought, so that the model answers at once. `--preview 3`
shows what is learned.

P010 thoughts：数据里的思考过程（或没有思考的数据）是怎么处理的。

检查内容：有多少条数据带思考过程（`reasoning_content`，或回答以 `<think>` 开头），对话模板怎样处理
思考，以及 `--think` 的值。

影响：回答总是接在某个提示词后面学习。模板若能开关思考（`enable_thinking`），有思考和没有思考的数据
对应不同的提示词；空思考可能属于提示词（只读），也可能属于回答（要学）。以后提问必须用学过的提示词：
验证、`infer` 和 `serve` 都照此提问，适配器旁边的模板也会让其他程序照此提问。

怎么改：如果本意如此，不需要改。`--think keep` 原样学习思考，没有思考的回答接在关闭思考的提示词
后面；`drop` 去掉思考；`empty` 让没有思考的回答学习模板的空思考，模型会直接作答。`--preview 3` 可以
看到学的是什么。
"""

from suretune.facts import DataFacts, ThoughtFacts
from suretune.guards.guard import Guard, Values
from suretune.types import Text


def check(facts: DataFacts) -> Values | None:
    found = facts.thoughts
    if not found.rows or not (found.known or found.thought or found.dropped):
        return None
    said = [_share(found), *_done(found)]
    return {
        "where": found.first or "--dataset",
        "template": facts.template or Text("this model", "这个模型"),
        "done": Text("; ".join(one.en for one in said), "；".join(one.zh for one in said)),
        "asked": _asked(found),
        "others": _others(found),
    }


def _share(found: ThoughtFacts) -> Text:
    """How many rows have a thought."""
    rows, some = found.rows, found.thought or found.dropped
    if not some:
        return Text(
            f"none of {rows} rows has a thought",
            f"{rows} 条数据都没有思考过程",
        )
    share = f"{100 * some / rows:.3g}"
    return Text(
        f"{some} of {rows} rows ({share} %) have a thought",
        f"{rows} 条数据中有 {some} 条（{share}%）带思考过程",
    )


def _done(found: ThoughtFacts) -> list[Text]:
    """What is learned of each kind of rows."""
    said = []
    if found.dropped:
        said.append(Text("thoughts are left out (`--think drop`)", "思考已去掉（`--think drop`）"))
    elif found.thought and not found.known:
        said.append(
            Text(
                "thoughts are learned as any other text: this template knows none",
                "按普通文字学习：这个模板里没有思考过程",
            )
        )
    elif found.thought:
        on = bool(found.on)
        said.append(
            Text(
                "thoughts are learned" + " behind the prompt with thoughts" * on,
                ("接在开启思考的提示词后面学习" if on else "思考会一起学习"),
            )
        )
    if found.off:
        said.append(
            Text(
                "answers without one are learned behind the prompt without thoughts, where an empty"
                " thought is read and not learned",
                "没有思考的回答接在关闭思考的提示词后面学习，其中的空思考只读不学",
            )
        )
    elif found.think == "empty" and found.thought < found.rows:
        said.append(
            Text(
                "answers without one are learned with an empty thought before them, so that the"
                " model answers at once (`--think empty`)",
                "没有思考的回答前面会一起学习空思考，模型会直接作答（`--think empty`）",
            )
        )
    elif found.known and found.thought < found.rows:
        said.append(
            Text(
                "answers without one are learned as the template writes them",
                "没有思考的回答按模板的写法学习",
            )
        )
    return said


def _asked(found: ThoughtFacts) -> Text:
    """The prompt of everything that is asked later."""
    if found.mode is None:
        return Text(
            "The rows decide whether the model thinks before it answers.",
            "模型作答前是否思考，由数据决定。",
        )
    most = bool(found.on and found.off)
    kind = ("with", "开启") if found.mode else ("without", "关闭")
    return Text(
        f"Probes, `infer` and `serve` ask {kind[0]} thoughts"
        + (", as most answers are learned" if most else "")
        + "; the template beside the adapter lets other programs do the same.",
        f"验证、`infer` 和 `serve` 都{kind[1]}思考提问"
        + ("（多数回答这样学习）" if most else "")
        + "；适配器旁边的模板会让其他程序也这样提问。",
    )


def _others(found: ThoughtFacts) -> Text:
    """What `--think` may be instead; an empty thought only where the template shows one (C004)."""
    ways = ["keep", "drop"]
    if found.empty:
        ways.append("empty")
    if found.think in ways:
        ways.remove(found.think)
    named = ", ".join(f"`{way}`" for way in ways[1:])
    if not named:
        return Text(f"`--think {ways[0]}`", f"`--think {ways[0]}`")
    return Text(
        f"`--think {ways[0]}` or {named}",
        f"`--think {ways[0]}` 或 {named}",
    )


GUARD = Guard(
    code="P010",
    name="thoughts",
    title=Text("thoughts in rows", "数据中的思考过程"),
    stops=False,
    facts=DataFacts,
    check=check,
    what=Text("Chat template of {template}: {done}.", "{template} 的对话模板：{done}。"),
    why=Text("{asked}", "{asked}"),
    fix=Text(
        "Nothing needs mending if that is meant: else {others};"
        " `--preview 3` shows what is learned.",
        "如果本意如此，不需要改；否则用 {others}；`--preview 3` 可以看到学的是什么。",
    ),
)
