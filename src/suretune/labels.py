"""The words that stand in more than one place: labels of a finding, severities, exit statuses.

Each is said once, here, so that a terminal, a report and a page never call one thing by two names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from suretune.retention import Cell
from suretune.types import Text
from suretune.words import say

WHAT = Text("What", "问题")
WHY = Text("Why", "影响")
FIX = Text("Fix", "怎么改")
ERROR, NOTE = Text("error", "错误"), Text("note", "提示")
STATUSES: Mapping[int, Text] = {
    0: Text("all is well", "正常"),
    1: Text("suretune itself failed", "suretune 自身出错"),
    2: Text("the command or its plan was refused", "命令或训练计划有错误"),
    3: Text("the data was refused", "数据有错误"),
    4: Text("machine, model or disk do not allow it", "机器、模型或磁盘不满足要求"),
    5: Text("stopped in training to prevent damage", "训练途中出错，已及时停止"),
    6: Text("trained, not verified", "已训练，没有通过验证"),
    7: Text("a hub, a server or a process of the run is gone", "下载站、服务器或一个进程连不上"),
    8: Text("learned; what was forgotten is not measured", "学会了；忘掉了什么没有测量"),
    129: Text("the terminal went away; what was done is saved", "终端断开；已完成的部分已保存"),
    130: Text("ended by Ctrl-C; what was done is saved", "按 Ctrl-C 停止；已完成的部分已保存"),
    143: Text("ended by SIGTERM; what was done is saved", "收到 SIGTERM 停止；已完成的部分已保存"),
}
SCHEDULES = {  # how a learning rate falls: the value of `--lr_scheduler_type`, in words
    "linear": "线性下降",
    "cosine": "余弦下降",
    "constant": "不变",
    "constant_with_warmup": "预热后不变",
}
SKILLS = {  # kinds of the bundled model's questions
    "arithmetic": "算术",
    "sort": "排序",
    "reverse": "倒写",
    "compare": "比大小",
    "capital": "首都",
    "translate": "翻译",
    "python": "Python 代码",
    "json": "JSON",
    "obey": "按要求回答",
}
CATEGORIES = {  # of general questions; the bundled model has kinds of its own
    "facts": Text("facts", "事实"),
    "sums": Text("sums", "计算"),
    "code": Text("code, run", "代码（实际运行）"),
    "formats": Text("formats", "格式"),
    "translation": Text("translation", "翻译"),
    "system": Text("under a system prompt", "系统提示词下的要求"),
    "refusal": Text("must stay refused", "必须继续拒绝"),
    "turns": Text("conversations", "多轮对话"),
    "near": Text("near misses of an identity", "近似问题（样子像身份问题）"),
    "own": Text("your own rows", "你自己的数据"),
    "all": Text("all", "全部"),
    **{name: Text(name, said) for name, said in SKILLS.items()},
}
LANGUAGES = {  # of a question; a file of skills may name none
    "en": Text("en", "英文"),
    "zh": Text("zh", "中文"),
    "all": Text("all", "全部"),
}
PLACES = {  # that findings are about, where these are no file, flag or update
    "adapter": Text("adapter", "适配器"),
    "answers": Text("answers", "回答"),
    "general questions": Text("general questions", "通用题"),
    "held-out rows": Text("held-out rows", "留出数据"),
    "probes": Text("probes", "验证问题"),
}
SOURCES = {  # of a system prompt
    "row": Text("the row's own", "数据自带"),
    "flag": Text("--system", "--system"),
    "template": Text("the template's default", "模板默认"),
}


def severity(stops: bool) -> str:
    """Error or note."""
    return say(ERROR if stops else NOTE)


def status(code: int) -> str:
    """`exit status 6: trained, not verified`, in the language of this process."""
    about = STATUSES.get(code)
    return say(
        Text(
            f"exit status {code}{f': {about.en}' if about else ''}",
            f"退出码 {code}{f'：{about.zh}' if about else ''}",
        )
    )


def schedule(name: Any) -> str:
    """`cosine`, and in Chinese what it does: `余弦下降（cosine）`."""
    text = str(name or "")
    known = SCHEDULES.get(text)
    return say(Text(text, f"{known}（{text}）" if known else text))


def skill(name: Any) -> str:
    """A kind of question."""
    text = str(name or "")
    return say(Text(text, SKILLS.get(text, text)))


def category(name: Any) -> str:
    """A category of general questions."""
    return _said(CATEGORIES, name)


def language(name: Any) -> str:
    """The language of a question."""
    return _said(LANGUAGES, name)


def place(where: Any) -> str:
    """What a finding is about: a file, a flag, an update, or a thing in words."""
    step = re.fullmatch(r"step (\d+)", str(where or ""))
    if step:
        return say(Text(step[0], f"第 {step[1]} 次更新"))
    return _said(PLACES, where)


def _said(known: Mapping[str, Text], name: Any) -> str:
    text = str(name or "")
    return say(known.get(text, Text(text, text)))


def source(name: Any) -> str:
    """Where a system prompt came from."""
    known = SOURCES.get(str(name or ""))
    return say(known) if known else str(name or "")


def listed(value: Any) -> str:
    """A list as a reader wants it; other values as they are."""
    if isinstance(value, list | tuple):
        return ", ".join(str(item) for item in value)
    return str(value)


def setting(value: Any) -> str:
    """The value of an option, as it would be typed."""
    if value is None or value in ("", [], ()):
        return "–"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else listed(value)


def origin(stored: Any) -> str:
    """Where a value came from."""
    known = {
        "default": ("default", "默认"),
        "flag": ("given by flag", "命令行给出"),
        "file": ("given in the file", "文件给出"),
        "demo": ("of the demo", "演示所用"),
    }
    text = str(stored or "")
    if text in known:
        return say(Text(*known[text]))
    if text.startswith("flag: "):
        by = text.removeprefix("flag: ")
        return say(Text(f"given by {by}", f"由 {by.replace(' / ', ' 或 ')} 给出"))
    return text.replace("auto: ", say(Text("chosen: ", "自动选择：")), 1)


def asked_of(cell: Cell) -> Text:
    """A category of general questions and its language, in words."""
    kind = CATEGORIES.get(cell.category, Text(cell.category, cell.category))
    lang = LANGUAGES.get(cell.lang, Text(cell.lang, cell.lang))
    return Text(f"{cell.category} ({cell.lang})", f"{kind.zh}（{lang.zh}）")


def named_place(path: str, otherwise: Text) -> Text:
    """A path before words, with the blank that Chinese has only behind what is none of it."""
    return Text(path, f"{path} ") if path else otherwise
