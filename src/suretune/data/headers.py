"""Whether the first line of a table names its columns, where none of its names is known.

Nobody can be sure of that: `症状,建议` may be a row. What can be seen is that names are short, are
no sentences, and look otherwise than what stands below them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from statistics import median

from suretune.types import Text

LONGEST = 24  # characters of a name
_WORDS = 3
_SENTENCE = re.compile(r"[.!?;:,。！？；：，、…～\"“”「」\n]")
# Who speaks or asks says more than a name does.
_SPOKEN = re.compile(
    r"[我你您他她它吗呢吧啊哪谁]|什么|怎么|如何|为何|多少|几[个点时]"
    r"|\b(?:i|you|we|me|my|your|it|is|are|do|does|can|how|what|who|why|when|where|which"
    r"|hi|hello|hey|yes|no|ich|du|sie|wie|was|wer|wo|warum|wann)\b",
    re.IGNORECASE,
)
# Names that people give to the two sides of a pair, where the shape of the cells says nothing.
_SIDES = frozenset(
    re.findall(
        r"\w+",
        """
        客户 客服 顾客 学生 老师 患者 医生 原文 译文 原句 译句 上联 下联 上句 下句 正文 摘要
        标题 内容 症状 建议 术语 定义 词语 释义 中文 英文 英语 日文 en zh de fr es ja ko ru
        english chinese german french spanish japanese korean russian term definition word
        meaning symptom advice customer agent doctor patient student teacher summary frage
        antwort pregunta respuesta réponse вопрос ответ 質問 回答 질문 답변
        """,
    )
)
# What exports of chats call who speaks, and what is said.
_SPEAKERS = frozenset(
    re.findall(
        r"\w+",
        """
        role speaker sender sendername issender talker talkerid fromuser
        发送者 发送人 发言人 发言者 说话人 发信人 角色 是否发送
        """,
    )
)
_MESSAGES = frozenset(
    re.findall(
        r"\w+",
        """
        content message msg strcontent utterance
        内容 消息 消息内容 聊天内容 发言 发言内容 对话内容 文本 文本内容
        """,
    )
)
_SIGNS: tuple[Callable[[str], bool], ...] = (
    lambda cell: any(map(str.isdigit, cell)),
    lambda cell: any(map(str.isspace, cell)),
    lambda cell: bool(_SENTENCE.search(cell)),
    lambda cell: any(ord(c) > 0x2E80 and c.isalpha() for c in cell),  # the scripts of East Asia
    lambda cell: any(c.isascii() and c.isalpha() for c in cell),
    lambda cell: cell[:1].isupper(),
    lambda cell: cell[:1].islower(),
)


_JOINED = (
    '`{"messages": [{"role": "user", "content": "..."}, {"role": "assistant", "content": "..."}]}`'
)
# As pairs, the rows of a chat would be learned as ids, or as who speaks.
OF_MESSAGES = Text(
    "Each row holds one message, and no question with its answer. Join the rows of each "
    f"conversation into one, in their order, as JSON Lines: {_JOINED}.",
    "一行只有一条消息，不是一问一答。请把每段对话的各行按顺序合成一条，存成 JSON Lines："
    f"{_JOINED}。",
)


def is_name(cell: str) -> bool:
    """Whether a cell may be the name of a column: a few words that are no sentence."""
    cell = cell.strip()
    return (
        0 < len(cell) <= LONGEST
        and len(cell.split()) <= _WORDS
        and any(map(str.isalpha, cell))
        and not _SENTENCE.search(cell)
        and not _SPOKEN.search(cell)
    )


def is_of_messages(names: Sequence[str]) -> bool:
    """Whether a header is that of a chat: who speaks and what, one message a row."""
    plain = {re.sub(r"[\W_]+", "", name).lower() for name in names}
    if {"from", "value"} <= plain:  # ShareGPT's, each of which is many a thing alone
        return True
    return not (plain.isdisjoint(_SPEAKERS) or plain.isdisjoint(_MESSAGES))


def names_columns(first: Sequence[str], below: Sequence[Sequence[str]]) -> bool:
    """Whether the first of some records rather names the columns than begins the rows."""
    cells = [cell.strip() for cell in first]
    if not all(map(is_name, cells)) or len(set(cells)) < len(cells):
        return False
    if all(cell.lower() in _SIDES for cell in cells):
        return True
    rows = [[cell.strip() for cell in row] for row in below if len(row) == len(cells)]
    columns = [[cell for cell in column if cell] for column in zip(*rows, strict=True)]
    other = [_is_unlike(cell, column) for cell, column in zip(cells, columns, strict=False)]
    # One row below is like nothing by chance: then both columns have to say it.
    return any(other) if len(rows) > 1 else bool(other) and all(other)


def _is_unlike(name: str, below: Sequence[str]) -> bool:
    """Whether a cell is much shorter than all below it, or all of these have what it lacks."""
    if not below or name in below:
        return False
    lengths = [len(cell) for cell in below]
    if len(name) < min(lengths) and 2 * len(name) <= median(lengths):
        return True
    return any(all(map(sign, below)) and not sign(name) for sign in _SIGNS)
