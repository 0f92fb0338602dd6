"""What to say of a row whose sample does not hold what the row says."""

from __future__ import annotations

from suretune.data.refusal import shown
from suretune.data.told import Loss
from suretune.types import Fault, Origin, Text

_SKIP = Text(
    "or leave such rows out with `--on_bad_row skip`",
    "或用 `--on_bad_row skip` 略过这样的数据",
)
_BASE = Text(
    "train a base whose template writes them, or name a template of your own that does:"
    " `--chat_template FILE.jinja`",
    "换一个对话模板会写出它们的模型，或用 `--chat_template 文件.jinja` 指定自己的模板",
)
# (what happened, what to do)
_SAID = {
    "content": (
        Text("leaves this turn out, or changes it", "没有写出这一轮，或把它改了"),
        Text("change the row", "请修改这一行"),
    ),
    "rewritten": (
        Text(
            "takes `</think>` for the end of a thought, so the answer is cut apart there",
            "把 `</think>` 当成思考的结尾，回答会在那里被拆开",
        ),
        Text("write the tag otherwise (`</ think>`)", "请换一种写法（例如 `</ think>`）"),
    ),
    "thought": (
        Text(
            "has no place for a thought: the answer would be learned without it",
            "没有地方放思考过程，学到的回答会缺少它",
        ),
        Text(
            "`--think drop` learns the answers without their thoughts; or {base}",
            "加上 `--think drop` 就只学回答、不学思考；或者{base}",
        ),
    ),
    "inline": (
        Text(
            "takes the thought out of the answer that would be learned",
            "把要学习的回答里的思考部分去掉了",
        ),
        Text("{base}", "请{base}"),
    ),
    "beside": (
        Text(
            "writes a call and leaves out the text beside it",
            "只写出工具调用，旁边的文字被丢掉",
        ),
        Text(
            "take the text out of this turn, or {base}",
            "请去掉这一轮里的文字，或{base}",
        ),
    ),
    "calls": (
        Text(
            "does not write this part of the tool call: another answer, or none, would be learned",
            "没有写出工具调用的这一部分，学到的会是别的回答，甚至是空的",
        ),
        Text("{base}", "请{base}"),
    ),
    "quoted": (
        Text(
            "quotes the arguments once more: the model would learn to write text for an object",
            "把参数又加了一层引号，模型会学着写出文本而不是对象",
        ),
        Text("{base}", "请{base}"),
    ),
    "system": (
        Text("leaves the system prompt out, or changes it", "没有写出系统提示词，或把它改了"),
        Text(
            "put what it says into the first question, or {base}",
            "请把它的内容写进第一个问题，或{base}",
        ),
    ),
    "tools": (
        Text(
            "does not write this part of a tool: the model would learn to call what it never saw",
            "没有写出工具的这一部分，模型会学着调用从未见过的东西",
        ),
        Text("{base}", "请{base}"),
    ),
    "characters": (
        Text(
            "is of a tokenizer without a token for these characters: they would not be learned",
            "所用的分词器没有这些字符，学不到它们",
        ),
        Text("train a base whose tokenizer has them", "请换一个分词器里有这些字符的模型"),
    ),
}


def lost(loss: Loss, origin: Origin, template: str) -> Fault:
    """The fault of a row; `template` is the model or file that the template is of."""
    what, do = _SAID[loss.kind]
    en, zh = do.en.format(base=_BASE.en), do.zh.format(base=_BASE.zh)
    hint = Text(
        f"The chat template of {template or 'this model'} {what.en}."
        f" {en[0].upper()}{en[1:]}; {_SKIP.en}.",
        f"{template or '这个模型'} 的对话模板{what.zh}。{zh}；{_SKIP.zh}。",
    )
    return Fault(
        "not-in-sample",
        origin,
        field=loss.field,
        found=shown(loss.text),
        hint=hint,
    )
